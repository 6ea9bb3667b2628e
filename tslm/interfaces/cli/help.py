"""Help for one verb: its settings with their comments, as the yaml files have them."""

import re

from tslm.core.config.choices import choices
from tslm.core.config.compose import ON_DATA_SETS
from tslm.core.paths import conf_folder

DEFAULTS = re.compile(r"^  - /?(\w+): ", re.M)  # the groups in the defaults of a yaml file
GROUPS = (  # in the order of the help
    "adapter",
    "decoder",
    "distribution",
    "base",
    "freeze",
    "rollout",
    "model",
    "trainer",
    "conformal",
    "benchmark",
    "budget",
    "experiment",
)


def print_help(verb: str) -> None:
    """Print the settings of a verb, its own first, then those it shares with others."""
    own = _read(f"verb/{verb}.yaml")
    print(_settings(own))
    print("\n(??? marks a setting that you must give. null means chosen automatically, or unused.)")
    if (primary := f"verb/{verb}") in ON_DATA_SETS:
        print(f"\n{_settings(_read(f'{ON_DATA_SETS[primary]}.yaml'))}")
    for name in ("files", "columns"):
        if f"/{name}" in own or (name == "columns" and "/config" in own):
            print(f"\n{_settings(_read(f'{name}.yaml'))}")
    if "/config" in own:
        shared = _read("config.yaml")
        print(f"\n{_settings(shared)}\n\nChoices:\n")
        offered = {"conformal", *DEFAULTS.findall(shared), *DEFAULTS.findall(own)}
        for group in GROUPS:
            if group in offered:
                print(f"{group}= {', '.join(choices(group)) or '-'}")
        print(
            "\nEach choice has settings of its own, such as adapter.patch_len=48. List them with: "
            f"tslm config show {verb} adapter=NAME"
        )


def _read(name: str) -> str:
    return (conf_folder() / name).read_text("utf-8")


def _settings(yaml: str) -> str:
    """Return a yaml file without the lines that only Hydra reads."""
    lines = [line for line in yaml.splitlines() if not line.startswith("# @package")]
    blocks = "\n".join(lines).split("\n\n")
    return "\n\n".join(block.split("defaults:")[0].rstrip() for block in blocks)
