"""Weights of a saved model with which a new one begins, and a check that they fit."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from torch import Tensor

from tslm.core.config.choices import CHOICES
from tslm.core.errors import ConfigError
from tslm.core.plain_values import plain
from tslm.estimators.saving.folder import Saved, read_saved
from tslm.estimators.saving.values import plain_settings
from tslm.models.forecast_model import ForecastModel

MEMBER = "trained."  # in a saved mix the names of the adapter's model begin with this
FURTHER = ("decoder.", "backbone.")  # weights that are used if all settings are those of the folder
NEEDED = ("adapter", "adapter.patch_len")  # settings that the adapter alone needs
ABSENT = "none"  # value of a setting that one of two models does not have


@dataclass(frozen=True)
class Pretrained:
    """Saved model whose weights a new forecast model begins with.

    Attributes:
        path: folder of the saved model, for messages.
        saved: content of the folder.
    """

    path: Path
    saved: Saved

    @classmethod
    def read(cls, path: str | Path) -> "Pretrained":
        """Read the folder.

        Raises:
            DataError: if it is not a saved model, or is damaged.
        """
        return cls(Path(path), read_saved(path))

    def begin(self, model: ForecastModel, cfg: DictConfig) -> None:
        """Give a new model the weights of the folder, in place.

        The adapter always begins with them. Decoder and trained weights of the backbone follow if
        the folder was trained with the same backbone, decoder, distribution and base.

        Args:
            model: the new model.
            cfg: settings after ``settle``; with ``max_steps=0`` all parts must fit.

        Raises:
            ConfigError: if the adapter does not fit, or, with ``max_steps=0``, another part.
        """
        weights = self._weights()
        other = self._differences(model, cfg)
        wrong = {name: pair for name, pair in other.items() if not cfg.max_steps or name in NEEDED}
        if wrong:
            raise ConfigError(self._misfit(wrong, cfg))
        part = "adapter."
        own = {name.removeprefix(part): weights[name] for name in weights if name.startswith(part)}
        model.adapter.begin(own)
        rest = {name: weights[name] for name in weights if name.startswith(FURTHER)}
        if self._complete(rest, model, cfg) and not other:
            model.load_state_dict(rest, strict=False)

    def _weights(self) -> Mapping[str, Tensor]:
        """Return the weights of the saved forecast model, by their names in it."""
        found = {name.removeprefix(MEMBER): part for name, part in self.saved.weights.items()}
        if not any(name.startswith("adapter.") for name in found):
            raise ConfigError(
                f"pretrained={self.path} holds no adapter: it forecasts by classical rules alone. "
                "Give the folder of a model with an adapter."
            )
        return found

    def _complete(self, rest: Mapping[str, Tensor], model: ForecastModel, cfg: DictConfig) -> bool:
        """Return True if these weights of decoder and backbone fit the model.

        Raises:
            ConfigError: if they do not fit and ``max_steps`` is 0.
        """
        own = model.state_dict()
        decoder = [name for name in own if name.startswith("decoder.")]
        sizes = [name for name in rest if name in own and own[name].shape != rest[name].shape]
        lacking = [name for name in decoder if name not in rest]
        if cfg.max_steps or not (sizes or lacking):
            return not (sizes or lacking)
        if lacking:
            raise ConfigError(
                f"pretrained={self.path} holds an adapter without a decoder, so it cannot forecast "
                "untrained. Set max_steps=1 or more."
            )
        values = self._settled["values"]
        raise ConfigError(
            f"The pretrained weights do not fit: {sizes[0]} is {tuple(rest[sizes[0]].shape)}, and "
            f"must be {tuple(own[sizes[0]].shape)}. Set h={values['h']} and context_length="
            f"{values['context_length']}, with which {self.path} was trained, or max_steps=1 or "
            "more."
        )

    @property
    def _settled(self) -> Mapping[str, Any]:
        """Return the settings of the saved model; those of another class have none."""
        found: Mapping[str, Any] = self.saved.facts.get("settled") or {}
        return found

    def _differences(self, model: ForecastModel, cfg: DictConfig) -> dict[str, tuple[Any, Any]]:
        """Return the settings that differ: value of the folder and value of the new model."""
        if not self._settled:
            return {}
        mix = any(name.startswith(MEMBER) for name in self.saved.weights)
        before = _parts(self._settled, has_base=not mix)
        after = _parts(plain_settings(cfg), has_base=model.base is not None)
        identity = self.saved.facts.get("backbone") or {}
        trained, found = identity.get("fingerprint"), model.backbone.identity.fingerprint
        before["backbone"] = identity.get("name")
        after["backbone"] = before["backbone"] if trained == found else model.backbone.identity.name
        before["n_layers"] = identity.get("n_layers")
        after["n_layers"] = model.backbone.identity.n_layers
        names = [*before, *(name for name in after if name not in before)]
        pairs = {name: (before.get(name, ABSENT), after.get(name, ABSENT)) for name in names}
        return {name: (old, new) for name, (old, new) in pairs.items() if old != new}

    def _misfit(self, wrong: Mapping[str, tuple[Any, Any]], cfg: DictConfig) -> str:
        """Return the message on settings that differ, with the words to type."""
        shown = [f"{name} is {old}, and must be {new}" for name, (old, new) in wrong.items()]
        words = [f"{name}={_typed(old)}" for name, (old, _) in wrong.items()]
        python = ""
        if "adapter.patch_len" in wrong and "adapter" not in wrong:
            size = wrong["adapter.patch_len"][0]
            python = f' (in Python: adapter=Spec("{cfg[CHOICES].adapter}", patch_len={size}))'
        if wrong.get("base", ("", ""))[0] == ABSENT:
            words = [f"{word} or base=auto" if word == "base=none" else word for word in words]
        return (
            f"The pretrained weights do not fit: {'; '.join(shown)}. Set {', '.join(words)}"
            f"{python}, with which {self.path} was trained, or give another folder."
        )


def _parts(settled: Mapping[str, Any], *, has_base: bool) -> dict[str, Any]:
    """Return the settings on which the meaning of the weights depends.

    Args:
        settled: settings of a fit, as a saved model holds them.
        has_base: True if the forecast model corrects a base.
    """
    found: dict[str, Any] = {}
    for part in ("adapter", "decoder", "distribution", "freeze"):
        if part in settled:
            found[part] = settled[part]["spec"]
    for part, option in (("adapter", "patch_len"), ("distribution", "quantiles")):
        if option in settled.get(part, {}).get("options", {}):
            found[f"{part}.{option}"] = plain(settled[part]["options"][option])
    if has_base and "base" in settled:
        found["base"] = settled["base"]["spec"]
    return found


def _typed(value: Any) -> str:
    """Return a value as it is typed on the command line."""
    return str(value).replace(" ", "") if isinstance(value, list) else str(value)
