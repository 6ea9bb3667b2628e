"""Names of parts: the yaml files of each group, found however a name is spelled."""

import re
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from tslm.core import messages
from tslm.core.errors import ConfigError
from tslm.core.paths import find, group_files

CHOICES = "choices"  # a key beside the settings: the name of each part that was chosen
GROUPS = ("adapter", "decoder", "distribution", "base", "freeze", "rollout", "model", "trainer")


def choices(group: str) -> list[str]:
    """Return the names that a config group offers, sorted."""
    return list(group_files(group))


def description(group: str, name: str) -> str:
    """Return the first comment in the yaml file of a choice, or an empty text."""
    path = find(group, name)
    lines = [] if path is None else path.read_text(encoding="utf-8").splitlines()
    comments = [line.removeprefix("# ") for line in lines if line.startswith("# ")]
    return next((line for line in comments if not line.startswith("@package")), "")


def node(group: str, name: str) -> DictConfig:
    """Load one part from its own yaml file, ``conf/GROUP/NAME.yaml``.

    Raises:
        ConfigError: if there is no such file.
    """
    path = find(group, choice(group, name))
    assert path is not None
    found: DictConfig = OmegaConf.select(OmegaConf.load(path), group)
    return found


def control(name: str) -> DictConfig | None:
    """Load a control that stands in for a language model, or return None for another name."""
    path = find("backbone", name)
    if path is None:
        return None
    found: DictConfig | None = OmegaConf.select(OmegaConf.load(path), "control")
    return found


def choice(group: str, name: str) -> str:
    """Return the file name of a choice; ``SeasonalNaive`` finds ``seasonal_naive``.

    Raises:
        ConfigError: if there is none, with the nearest name.
    """
    known = {spelling(file): file for file in choices(group)}
    if spelling(name) not in known:
        raise ConfigError(unknown_choice(group, name))
    return known[spelling(name)]


def distribution_named(name: str) -> str | None:
    """Return the distribution family of this name, or None if there is none."""
    return {spelling(file): file for file in choices("distribution")}.get(spelling(name))


def spelling(name: str) -> str:
    """Return a name in lower case, without hyphens, underscores and spaces."""
    return re.sub(r"[-_ ]", "", name).lower()


def two_distributions(decoder: str, distribution: str) -> str:
    """Return the message for a decoder and a setting that name different distributions."""
    return (
        f"decoder={decoder} and distribution={distribution} both name a distribution. Leave one "
        "out, or name the layout of the decoder, such as decoder=flatten."
    )


def unknown_choice(group: str, name: str) -> str:
    """Return the message for a name that a group does not offer."""
    offered = choices(group) + (choices("distribution") if group == "decoder" else [])
    if group == "model" and (Path(name).expanduser() / "model.json").is_file():
        return (
            f"{group}={name} is a saved model, which predict, explain and recalibrate read; this "
            "command fits a new one with the settings you give. Choose one of "
            f"{', '.join(offered)}."
        )
    return messages.unknown_choice(group, name, offered)
