"""Arms of an ablation: forecasters compared with the model, and the claim each one tests."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from omegaconf import DictConfig, OmegaConf

from tslm.core import messages
from tslm.core.config.choices import unknown_choice
from tslm.core.config.schema import OWN, tagged
from tslm.core.errors import ConfigError
from tslm.core.paths import find
from tslm.core.spec import Spec

CLAIMS = {
    "body": "Does the language model help?",
    "size": "Do its size and depth help?",
    "weights": "Do its pretrained weights help?",
    "language": "Does its language help?",
    "system": "Does the whole beat what needs no language model?",
    "design": "Does it beat other designs on the same language model?",
    "text": "Does it help what statements say, as the language model reads them?",
}
ITSELF = "llm"


@dataclass(frozen=True)
class Arm:
    """Forecaster that is compared with the model; None keeps the model's own setting.

    Attributes:
        name: name in the report.
        claim: the claim it tests, one of ``CLAIMS``; empty for the model itself.
        model: name of a baseline that replaces the whole model.
        backbone: a control that replaces the language model, without the model's name:
            ``random`` stands for ``random:smollm2-135m``.
        n_layers: number of blocks of the backbone.
        freeze: trained part of the backbone, as the setting ``freeze``.
        adapter: name of another adapter.
        base: name of another base forecast.
        options: options of the adapter.
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
        """Return the parameters of the estimator that turn the model into this arm.

        Args:
            backbone: the language model of the model.
            adapter: the adapter of the model.
        """
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
        """Return the parameters of one training run: random controls are drawn by its seed."""
        return {} if self.backbone is None else {"backbone": f"{backbone}:{seed}"}


@dataclass(frozen=True)
class Budget:
    """Size of an ablation: one file of ``conf/budget``.

    Attributes:
        name: name of the file.
        seeds: seeds of the training runs of each trained arm.
        rates: factors of the learning rate; each arm uses the one with the least validation error.
        arms: forecasters to compare with the model.
        probes: disturbances of the context, see ``tslm.evaluation.ablation.probes``.
        language: True to also remove the text input of the adapter, part by part.
    """

    name: str
    seeds: tuple[int, ...]
    rates: tuple[float, ...]
    arms: tuple[Arm, ...]
    probes: tuple[str, ...] = ()
    language: bool = True

    def without(self, *names: str) -> "Budget":
        """Return the budget without some of its arms.

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
        """Read a file of ``conf/budget``, or its content.

        Raises:
            ConfigError: if there is no such file, or its content is wrong.
        """
        if content is None:
            path = find("budget", name)
            if path is None:
                raise ConfigError(unknown_choice("budget", name))
            content = OmegaConf.load(path).budget
        plain: Any = OmegaConf.to_container(content, resolve=True)
        try:
            arms = tuple(Arm(arm, **given) for arm, given in plain["arms"].items())
            probes = tuple(plain.get("probes") or ())
            language = bool(plain.get("language", True))
            budget = cls(name, tuple(plain["seeds"]), tuple(plain["rates"]), arms, probes, language)
        except (TypeError, KeyError, AttributeError) as error:
            raise ConfigError(f"budget={name} cannot be read: {error}.") from error
        for arm in budget.arms:
            if arm.claim not in CLAIMS:
                name = f"budget.arms.{arm.name}.claim"
                raise ConfigError(messages.unknown_choice(name, arm.claim, CLAIMS))
        return budget
