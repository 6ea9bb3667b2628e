"""Signatures, docstrings, yaml comments and help repeat the fields of ``RunConfig``.

``make settings`` writes the texts from the fields.
"""

import ast
import os
import re
import textwrap
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from tslm.core.config import schema
from tslm.core.config.command_schema import CommandConfig
from tslm.core.config.schema import LANGUAGE, LIVE, PART, RunConfig, tagged
from tslm.core.paths import conf_folder
from tslm.interfaces.cli import main as cli

WRITE = os.environ.get("TSLM_SETTINGS") == "write"
FIELDS: dict[str, Field[Any]] = {field.name: field for field in fields(RunConfig)}
PACKAGE = Path(schema.__file__).parents[2]
CLASSES = [
    "estimators/tslm_forecaster.py:TSLMForecaster",
    "estimators/baseline_forecaster.py:BaselineForecaster",
    "interfaces/sktime.py:TSLMForecaster",
    "estimators/window_regressor.py:TSLMWindowRegressor",
    "estimators/lipcot/pretrainer.py:LiPCoTPretrainer",
    "estimators/lipcot/classifier.py:TSLMClassifier",
]
DEFAULTS: dict[str, dict[str, Any]] = {  # that differ from those of RunConfig
    CLASSES[2]: {"h": None, "verbose": 0},
    CLASSES[3]: {"adapter": "time_llm", "base": None, "season_length": 1, "verbose": 0},
    CLASSES[4]: {"adapter": "lipcot", "random_state": 0},
    CLASSES[5]: {"learning_rate": 2e-4, "batch_size": 16, "random_state": 0},
}
TEXTS = {  # parameters that mean something else, with texts of their own
    CLASSES[2]: {"h"},
    CLASSES[3]: {"n_layers", "base", "season_length", "prompt", "random_state"},
    CLASSES[4]: {"n_layers", "adapter", "context_length", "batch_size", "random_state"},
    CLASSES[5]: {"backbone", "n_layers", "learning_rate", "batch_size", "random_state"},
}
ELSEWHERE = {  # parameters that have another place in the signature
    CLASSES[2]: {"h"},
    CLASSES[4]: {"freeze"},
}
COLUMN = 26  # where comments of yaml begin
TITLES = {
    "task": "the task",
    "model": "the model",
    "data": "the data, besides its columns",
    "detail": "the model in detail",
    "training": "training",
    "uncertainty": "intervals",
    "hardware": "hardware",
    "output": "output",
}
ARGS = re.compile(r"^    Args:\n(.*?)(?=\n\n    \w)", re.S | re.M)


def node_of(path: Path, name: str) -> ast.ClassDef:
    found = ast.parse(path.read_text()).body
    return next(node for node in found if isinstance(node, ast.ClassDef) and node.name == name)


def class_of(place: str) -> ast.ClassDef:
    """A class as it is written, so that sktime need not be installed."""
    file, _, name = place.partition(":")
    return node_of(PACKAGE / file, name)


def parameters(place: str) -> dict[str, tuple[str, Any]]:
    """Return type, as written, and default of each parameter of ``__init__``."""
    body = class_of(place).body
    init = next(n for n in body if isinstance(n, ast.FunctionDef) and n.name == "__init__")
    found = zip(init.args.args[1:], init.args.defaults, strict=True)
    return {
        one.arg: (ast.unparse(one.annotation or one), ast.literal_eval(value))
        for one, value in found
    }


def docstring(field: Field[Any]) -> str:
    """The text of a setting in a docstring."""
    about = field.metadata
    null = f" None {about['null']}." if about["null"] else ""
    more = f" {about['more']}" if about["more"] else ""
    return f"{about['help']}.{null}{more}"


def comment(field: Field[Any]) -> str:
    """The text of a setting in yaml."""
    null = f"; null {field.metadata['null']}" if field.metadata["null"] else ""
    return re.sub(r'["`]', "", f"{field.metadata['help']}{null}")


def args(place: str) -> dict[str, str]:
    """The entries of a docstring's section Args."""
    found = ARGS.search(ast.get_docstring(class_of(place), clean=False) or "")
    assert found is not None
    entries = re.split(r"\n?        (?=\w+: )", found[1])[1:]
    return {e.partition(": ")[0]: " ".join(e.partition(": ")[2].split()) for e in entries}


def expected(place: str) -> dict[str, str]:
    """The entries as ``RunConfig`` has them, but for those of the class alone."""
    own, found = TEXTS.get(place, set()), args(place)
    return {
        key: docstring(FIELDS[key]) if key in FIELDS and key not in own else found[key]
        for key in parameters(place)
    }


def write_docstring(place: str) -> None:
    file, _, name = place.partition(":")
    lines: list[str] = []
    for key, text in expected(place).items():
        lines += textwrap.wrap(
            f"{key}: {text}",
            width=100,
            initial_indent=" " * 8,
            subsequent_indent=" " * 12,
            break_long_words=False,
            break_on_hyphens=False,
        )
    section, text = "\n".join(lines), (PACKAGE / file).read_text()
    start = text.index(f"class {name}(")
    changed = ARGS.sub(lambda _: f"    Args:\n{section}", text[start:], count=1)
    (PACKAGE / file).write_text(text[:start] + changed)


@pytest.mark.parametrize("place", CLASSES)
def test_the_signature_is_that_of_the_fields(place: str) -> None:
    own, found = DEFAULTS.get(place, {}), parameters(place)
    written = {
        node.target.id: ast.unparse(node.annotation)
        for node in node_of(Path(schema.__file__), "RunConfig").body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    shared = [key for key in FIELDS if key in found.keys() - ELSEWHERE.get(place, set())]
    assert [key for key in found if key in shared] == shared  # in the same order
    for key in (key for key in found if key in FIELDS):
        hint, default = found[key]
        assert default == own.get(key, FIELDS[key].default), key
        if key not in (*tagged(LIVE), *TEXTS.get(place, set())):
            needed = set(written[key].split(" | ")) - {"bool"} if key == "verbose" else set()
            needed = needed or set(written[key].split(" | "))
            assert hint == "Any" or needed <= set(hint.split(" | ")), f"{key}: {hint}"


def test_the_estimators_have_every_setting() -> None:
    assert list(parameters(CLASSES[0])) == list(FIELDS)
    without = [key for key in FIELDS if key not in tagged(LANGUAGE)]
    assert list(parameters(CLASSES[1])) == ["model", *without]


@pytest.mark.parametrize("place", CLASSES)
def test_the_docstring_is_that_of_the_fields(place: str) -> None:
    if WRITE:
        write_docstring(place)
    assert args(place) == expected(place), "make settings writes it"
    assert list(args(place)) == list(parameters(place))


def lines_of(field: Field[Any], key: bool) -> list[str]:
    """One setting in yaml; a part that is not a key of the file is a comment."""
    default = None if field.name == "base" else field.default  # some commands have no mix
    value = "null" if default is None else str(default)
    value = value.lower() if isinstance(field.default, bool) else value
    start = f"{field.name}: {value}" if key else f"# {field.name}="
    return textwrap.wrap(
        f"# {comment(field)}",
        width=100,
        initial_indent=f"{start:<{COLUMN - 1}} ",
        subsequent_indent=" " * COLUMN + "# ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def yaml_of(name: str) -> str:
    """A yaml file, its head as it is and its settings from ``RunConfig``."""
    text = (conf_folder() / f"{name}.yaml").read_text()
    columns = [key for key in OmegaConf.load(conf_folder() / "columns.yaml") if key in FIELDS]
    if name == "columns":
        head = text[: text.index(f"{columns[0]}:")].rstrip("\n")
        known = [field for key, field in FIELDS.items() if key in columns]
        return "\n".join([head, *(line for f in known for line in lines_of(f, key=True)), ""])
    parts = [text[: text.index(f"# {TITLES['task']}\n")].rstrip("\n")]
    for section, title in TITLES.items():
        lines = [f"# {title}"]
        for key, field in FIELDS.items():
            if field.metadata["section"] == section and key not in (*columns, *tagged(LIVE)):
                lines += lines_of(field, key=key not in tagged(PART) or key == "base")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


@pytest.mark.parametrize("name", ["columns", "config"])
def test_the_comments_of_yaml_are_those_of_the_fields(name: str) -> None:
    path, wanted = conf_folder() / f"{name}.yaml", yaml_of(name)
    if WRITE:
        path.write_text(wanted)
    differ = sorted(set(wanted.splitlines()) ^ set(path.read_text().splitlines()))
    assert path.read_text() == wanted, f"make settings writes them: {differ}"


def test_help_shows_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["fit", "--help"])
    shown = " ".join(capsys.readouterr().out.replace("#", " ").split())
    for key, field in FIELDS.items():
        if key not in tagged(LIVE):
            assert key in shown
            assert comment(field) in shown


def test_every_field_has_a_default_and_a_phrase() -> None:
    for field in FIELDS.values():
        assert field.default is not MISSING
        for text in (field.metadata["help"], field.metadata["null"] or "-"):
            assert text.strip() == text != ""
            assert not text.endswith(".")


def test_every_setting_of_a_command_has_a_type() -> None:
    typed = {*FIELDS, *(option.name for option in fields(CommandConfig))}
    groups = {path.name for path in conf_folder().iterdir() if path.is_dir()}
    own = {"device", "sentences", "settings", "space"}  # read by one command, which checks them
    commands = list((conf_folder() / "verb").glob("*.yaml"))
    assert len(commands) > 10
    for path in [*commands, conf_folder() / "files.yaml"]:
        keys = {str(key) for key in OmegaConf.load(path)} - {"defaults"}
        assert keys <= typed | groups | own, path.name
