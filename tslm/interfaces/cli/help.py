"""Help for one verb: its settings with their comments, as the yaml files have them."""

from tslm.core.config.choices import choices
from tslm.core.paths import conf_folder

GROUPS = (
    "adapter",
    "decoder",
    "distribution",
    "base",
    "freeze",
    "model",
    "trainer",
    "benchmark",
    "experiment",
)


def print_help(verb: str) -> None:
    """Print the settings of a verb, its own first, then those it shares with others."""
    own = _read(f"verb/{verb}.yaml")
    print(_settings(own))
    print("\n(??? marks a setting that you must give. null means chosen automatically, or unused.)")
    for name in ("files", "columns"):
        if f"/{name}" in own or (name == "columns" and "/config" in own):
            print(f"\n{_settings(_read(f'{name}.yaml'))}")
    if "/config" in own:
        print(f"\nSettings of all verbs that train:\n\n{_settings(_read('config.yaml'))}\n")
        print("Choices:\n")
        for group in GROUPS:
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
