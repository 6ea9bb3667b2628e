"""The site of the docs has every page and every notebook, and builds without a warning."""

import re
import runpy
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jupytext
import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text())


def pages(nav: Any) -> set[str]:
    if isinstance(nav, str):
        return {nav}
    return set().union(*map(pages, nav.values() if isinstance(nav, dict) else nav))


def test_every_page_is_in_the_menu() -> None:
    found = pages(SITE["nav"])
    assert all((DOCS / page).is_file() for page in found)
    assert {path.name for path in DOCS.glob("*.md")} <= found
    shown = {path.relative_to(DOCS).as_posix() for path in DOCS.glob("tutorials/*.md")}
    assert shown <= found


def test_every_notebook_is_in_the_tutorials() -> None:
    listed = re.findall(r"^\| \[?`(\w+)`", (DOCS / "tutorials.md").read_text(), re.M)
    assert listed == sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))


def test_stored_outputs_are_of_the_present_notebook() -> None:
    pages = list((DOCS / "tutorials").glob("*.md"))
    assert pages
    for page in pages:
        shown = re.findall(r"^```python\n(.*?)\n^```", page.read_text(), re.S | re.M)
        cells = jupytext.read(ROOT / "notebooks" / f"{page.stem}.py").cells
        assert shown == [cell.source for cell in cells if cell.cell_type == "code"], page.name


def test_every_public_name_is_in_the_reference() -> None:
    import tslm

    text = "".join(path.read_text() for path in (DOCS / "reference").glob("*.md"))
    for name in set(tslm.__all__) - {"__version__"}:
        home = getattr(tslm, name).__module__
        assert f"{home}.{name}" in text or f"::: {home}\n" in text, name


@pytest.mark.parametrize("script", sorted(DOCS.rglob("*.py")), ids=lambda path: path.stem)
def test_every_script_finds_what_it_imports(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(script.parent))
    runpy.run_path(str(script), run_name="imported")


@pytest.mark.parametrize("page", ["docs/design.md", "CONTRIBUTING.md"])
def test_files_and_folders_that_a_page_names_exist(page: str) -> None:
    named = re.findall(r"`((?:tslm|conf|tests|docs|data)/[\w/.]+)`", (ROOT / page).read_text())
    assert len(named) > 10
    for name in named:
        assert "NAME" in name or (ROOT / name).exists(), f"{page} names {name}"


def test_the_citation_is_complete_and_names_the_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {"cff-version", "message", "title", "authors", "type"} <= citation.keys()
    assert citation["cff-version"] == "1.2.0"
    assert citation["authors"] == [{"name": "The tslm developers"}]
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])


@pytest.mark.slow
@pytest.mark.skipif(find_spec("mkdocs") is None, reason="mkdocs is not installed: tslm[docs]")
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "reference" / "forecasters" / "index.html").stat().st_size > 50_000
