"""What stands against the language model: arms, and the claim each of them questions."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from omegaconf import DictConfig, OmegaConf

from tslm.core.config.choices import unknown_choice
from tslm.core.config.schema import OWN, tagged
from tslm.core.errors import ConfigError
from tslm.core.paths import conf_folder
from tslm.core.spec import Spec

CLAIMS = {
    "body": "Does the body help?",
    "size": "Do its size and depth help?",
    "weights": "Do its pretrained weights help?",
    "language": "Does its language help?",
    "system": "Does the whole beat what needs no language model?",
    "design": "Does it beat other designs on the same language model?",
}
ITSELF = "llm"


@dataclass(frozen=True)
class Arm:
    """One way to forecast, in place of the model itself.

    Args:
        name: what it is called in the report.
        claim: what it questions, one of ``CLAIMS``; empty for the model itself.
        model: a baseline; or else
        backbone: a control, without the name of the language model it stands in for.
        n_layers: its depth, where it is another.
        freeze: what of the body is trained, where it is something else.
        adapter: another one.
        base: the classical base it corrects, where it is another.
        options: of the adapter, where they are others.
    """

    name: str
    claim: str
    model: str | None = None
    backbone: str | None = None
    n_layers: int | None = None
    freeze: str | None = None
    adapter: str | None = None
    base: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def params(self, backbone: str, adapter: Spec) -> dict[str, Any]:
        """Parameters of the estimator that make it this arm."""
        changed: dict[str, Any] = {}
        if self.backbone is not None:
            changed["backbone"] = f"{self.backbone}:{backbone}"
        if self.n_layers is not None:
            changed["n_layers"] = self.n_layers
        if self.freeze is not None:
            changed["freeze"] = self.freeze
        if self.base is not None:
            changed["base"] = self.base
        if self.adapter is not None:
            changed |= dict.fromkeys((*tagged(OWN), "decoder", "pretrained"))
            changed["adapter"] = Spec(self.adapter, **self.options)
        elif self.options:
            changed["adapter"] = Spec(adapter.name, **{**adapter.options, **self.options})
        return changed

    def drawn(self, backbone: str, seed: int) -> dict[str, Any]:
        """Parameters of one training run: a control that is drawn at random is drawn for each."""
        return {} if self.backbone is None else {"backbone": f"{backbone}:{seed}"}


@dataclass(frozen=True)
class Budget:
    """How much is spent on the question: one file of ``conf/budget``.

    Args:
        name: of the file.
        seeds: training runs of each trained arm.
        rates: multiples of the learning rate; each arm takes the best on validation.
        arms: what stands against the model.
        probes: disturbances of the context, see ``tslm.evaluation.ablation.probes``.
        language: whether what the adapter says is taken away, piece by piece, as well.
    """

    name: str
    seeds: tuple[int, ...]
    rates: tuple[float, ...]
    arms: tuple[Arm, ...]
    probes: tuple[str, ...] = ()
    language: bool = True

    def without(self, *names: str) -> "Budget":
        """The same budget without some of its arms.

        Raises:
            ConfigError: if it has no such arm.
        """
        known = [arm.name for arm in self.arms]
        for name in names:
            if name not in known:
                raise ConfigError(
                    f"budget={self.name} has no arm {name}. It has {', '.join(known)}."
                )
        return replace(self, arms=tuple(arm for arm in self.arms if arm.name not in names))

    @classmethod
    def of(cls, name: str, content: DictConfig | None = None) -> "Budget":
        """Read a file of ``conf/budget``, or the content of one.

        Raises:
            ConfigError: if there is no such file, or its content does not fit.
        """
        if content is None:
            path = conf_folder() / "budget" / f"{name}.yaml"
            if not path.is_file():
                raise ConfigError(unknown_choice("budget", name))
            content = OmegaConf.load(path).budget
        plain: Any = OmegaConf.to_container(content, resolve=True)
        try:
            arms = tuple(Arm(arm, **given) for arm, given in plain["arms"].items())
            probes = tuple(plain.get("probes") or ())
            told = bool(plain.get("language", True))
            budget = cls(name, tuple(plain["seeds"]), tuple(plain["rates"]), arms, probes, told)
        except (TypeError, KeyError, AttributeError) as error:
            raise ConfigError(f"budget={name} cannot be read: {error}.") from error
        for arm in budget.arms:
            if arm.claim not in CLAIMS:
                raise ConfigError(
                    f"budget.arms.{arm.name}.claim={arm.claim} is unknown. Choose one of "
                    f"{', '.join(CLAIMS)}."
                )
        return budget
