"""Every test that a page of the documentation names exists."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ["reviews.md", "controls.md", "lipcot.md"]


def listed(page: str) -> Iterator[tuple[str, str]]:
    """Yield the file and the name of each listed test; "::name" continues the file before it."""
    file = ""
    for line in (ROOT / "docs" / page).read_text().splitlines():
        for path, name in re.findall(r"`(tests/[\w/]+\.py)?((?:::\w+)*)`", line):
            file = path or file
            if path or name:
                yield file, name.removeprefix("::")


@cache
def defined(file: str) -> set[str]:
    """Return the tests and classes of a file, methods as Class::method."""
    found = set()
    for node in ast.parse((ROOT / file).read_text()).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = [part.name for part in node.body if isinstance(part, ast.FunctionDef)]
            found |= {node.name, *(f"{node.name}::{method}" for method in methods)}
    return found


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_a_page_names_exists(page: str) -> None:
    tests = list(listed(page))
    assert len(tests) > 20
    for file, name in tests:
        assert (ROOT / file).is_file(), f"docs/{page} names {file}"
        assert not name or name in defined(file), f"docs/{page} names {file}::{name}"
