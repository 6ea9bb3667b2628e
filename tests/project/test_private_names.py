"""Tests use the public names of the package, so that its files can be rewritten behind them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import tslm

PACKAGE = Path(tslm.__file__).parent
TESTS = Path(__file__).parents[1]
PRIVATE = re.compile(r"_[a-zA-Z]\w*(?<!__)")  # neither __init__ nor the underscore alone


def private_names() -> set[str]:
    """Return the private functions, classes, constants and attributes of the package."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                found.add(node.attr)
    return {name for name in found if PRIVATE.fullmatch(name)}


def used_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and each name that is imported, read as an attribute or replaced.

    Attributes of ``self`` belong to the test. ``setattr(owner, "name", new)`` and
    ``setattr("module.name", new)`` replace a name.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tslm"):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.Attribute):
            if not (isinstance(node.value, ast.Name) and node.value.id == "self"):
                yield node.lineno, node.attr
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in PATCHES:
            for given in node.args[:2]:
                if isinstance(given, ast.Constant) and isinstance(given.value, str):
                    yield node.lineno, given.value.rpartition(".")[2]


PATCHES = ("setattr", "delattr", "getattr", "patch", "object")  # the last is mock.patch.object


def test_no_test_reads_or_replaces_a_private_name_of_the_package() -> None:
    private = private_names()
    assert "_check_fitted" in private
    found = [
        f"{path.relative_to(TESTS)}:{line} {name}"
        for path in sorted(TESTS.rglob("*.py"))
        for line, name in used_names(ast.parse(path.read_text()))
        if name in private
    ]
    assert found == []


def test_private_names_are_found_where_a_test_would_use_them() -> None:
    code = (
        "from tslm.core.x import _a\nmodel._b\nself._own\nmonkeypatch.setattr(x, '_c', 1)\n"
        "patch.setattr('tslm.x._d', 1)\nmock.patch.object(x, '_e')\n"
    )
    names = {name for _, name in used_names(ast.parse(code)) if PRIVATE.fullmatch(name)}
    assert names == {"_a", "_b", "_c", "_d", "_e"}
