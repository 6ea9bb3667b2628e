"""Docstrings: plain first lines; examples that run; an example for every public class."""

import ast
import doctest
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

import tslm

FOLDER = Path(tslm.__file__).parent
FIRST_WORDS = {"What", "How", "Where", "Which", "Whether", "Of"}  # no first line begins with these
NEEDS = {"tslm.interfaces.sktime": "sktime", "tslm.evaluation.tuning": "optuna"}


def examples() -> Iterator[tuple[str, str, str]]:
    """Module, name and docstring of whatever has an example."""
    for path in sorted(FOLDER.rglob("*.py")):
        module = ".".join(path.relative_to(FOLDER.parent).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                text = ast.get_docstring(node) or ""
                if ">>>" in text:
                    yield module, node.name, text


EXAMPLES = {f"{module}.{name}": text for module, name, text in examples()}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = name.rpartition(".")[0]
    if module in NEEDS:
        pytest.importorskip(NEEDS[module])
    monkeypatch.chdir(tmp_path)
    test = doctest.DocTestParser().get_doctest(EXAMPLES[name], {}, name, None, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two steps of training are no model
        outcome = doctest.DocTestRunner().run(test)
    assert outcome.attempted > 1
    assert not outcome.failed, capsys.readouterr().out


def test_every_public_class_has_an_example() -> None:
    homes = {name: getattr(tslm, name).__module__ for name in {*tslm.__all__} - {"__version__"}}
    public = {f"{home}.{name}" for name, home in homes.items() if home != "tslm.core.errors"}
    assert len(public) > 5
    assert public <= EXAMPLES.keys()


def unclear_lines(path: Path) -> list[str]:
    """Return the first lines of a file's docstrings that begin with a relative clause."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)]
    lines = [(ast.get_docstring(node) or "-").splitlines()[0] for node in nodes]
    return [line for line in lines if re.split(r"\W", line)[0].capitalize() in FIRST_WORDS]


def test_first_lines_of_docstrings_are_plain() -> None:
    """A function's docstring begins with a verb, a class's with a noun of the field."""
    files = list(FOLDER.rglob("*.py"))
    assert len(files) > 100
    assert not [(path.name, line) for path in files for line in unclear_lines(path)]
