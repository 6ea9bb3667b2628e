"""Paths and names in the documentation are those of the tree."""

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "CONTRIBUTING.md", "data/README.md"]
PAGES += sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))
FOLDERS = ("tslm", "conf", "data", "docs", "notebooks", "tests")
ELSEWHERE = {  # files of the example of a page, of the wheel, and of the source of a data set
    "docs/fifth-adapter.md": {"conf/adapter/spectra.yaml"},
    "data/README.md": {"tslm/datasets", "data/bike_sharing_dataset_clean.csv"},
}
DESIGN = (ROOT / "docs" / "design.md").read_text()


def quoted(text: str) -> set[str]:
    """Return all that stands between two backticks of a line."""
    return set(re.findall(r"`([^`\n]+)`", text))


def named_paths(page: str) -> set[str]:
    """Return the paths below one of the project's folders, without the names of tests."""
    paths = {text.split("::")[0] for text in quoted((ROOT / page).read_text())}
    pattern = rf"({'|'.join(FOLDERS)})/[\w./-]*"
    return {path for path in paths if re.fullmatch(pattern, path)}


@cache
def source() -> str:
    """Return the text of all modules and settings."""
    files = [*(ROOT / "tslm").rglob("*.py"), *(ROOT / "conf").rglob("*.yaml")]
    return "\n".join(file.read_text() for file in [*files, ROOT / "pyproject.toml"])


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_a_page_names_exists(page: str) -> None:
    """A word in capitals, as in ``conf/adapter/NAME.yaml``, stands for any name."""
    for path in named_paths(page) - ELSEWHERE.get(page, set()):
        pattern = re.sub(r"\b[A-Z]+\b(?!\.md)", "*", path)
        assert list(ROOT.glob(pattern)), f"{page} names {path}"


def test_the_paths_of_the_design_are_read() -> None:
    assert len(named_paths("docs/design.md")) > 50


def test_the_design_names_every_folder_of_the_package() -> None:
    tree = DESIGN.split("```")[1]
    listed = dict(re.findall(r"(?m)^  (\w+)/ +.*\?  +(.*)$", tree))
    folders = {path.name for path in (ROOT / "tslm").iterdir() if (path / "__init__.py").exists()}
    assert set(listed) == folders
    for folder, content in listed.items():
        for inner in re.findall(r"(\w+)/", content):
            assert (ROOT / "tslm" / folder / inner).is_dir(), f"{folder}/{inner}"


def test_the_design_names_files_and_classes_that_exist() -> None:
    files = {path.name for path in (ROOT / "tslm").rglob("*.py")}
    names = quoted(DESIGN)
    modules = {name for name in names if re.fullmatch(r"\w+\.py", name)}
    assert len(modules) > 3
    assert modules <= files
    classes = {name for name in names if re.fullmatch(r"[A-Z]\w+(\.\w+)?", name)}
    assert len(classes) > 10
    for name in classes:
        for part in name.split("."):
            assert re.search(rf"\b{part}\b", source()), name


def test_the_changes_of_the_design_are_numbered() -> None:
    numbers = re.findall(r"(?m)^\| (\d+) \|", DESIGN)
    assert [*map(int, numbers)] == [*range(1, 19)]
