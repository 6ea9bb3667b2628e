"""The wheel carries what it needs, and works in an environment and a folder of its own."""

import ast
import hashlib
import os
import re
import site
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APART = {
    "datasets": "fev brings it",
    "foundationforecast": "see tslm/interfaces/foundationforecast.py",
}


def run(*command: object, cwd: Path, **env: str) -> str:
    clean = {k: v for k, v in os.environ.items() if k not in ("TSLM_DATA", "PYTHONPATH")}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**clean, **env},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    flags = ["--wheel", "--no-isolation", "--skip-dependency-check", "--outdir", out]
    run(sys.executable, "-m", "build", *flags, ROOT, cwd=out)
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_carries_every_yaml_and_every_shipped_set_unchanged(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    for folder, inside in (("conf", "tslm/conf"), ("data", "tslm/datasets")):
        wanted = {
            f"{inside}/{file.relative_to(ROOT / folder).as_posix()}": file.read_bytes()
            for file in (ROOT / folder).rglob("*")
            if file.is_file()
        }
        assert wanted
        assert {name: held[name] for name in held if name.startswith(f"{inside}/")} == wanted
    assert any(name.endswith("licenses/LICENSE") for name in held)
    assert not any(name.startswith(("tests/", "notebooks/", "docs/")) for name in held)


def test_every_set_in_the_wheel_has_a_licence_that_allows_it(wheel: Path) -> None:
    readme = (ROOT / "data" / "README.md").read_text()
    shipped = readme.split("## Other benchmark sets")[0]
    licensed = set(re.findall(r"^\| `([^`]+)` \|", shipped, flags=re.M))
    with zipfile.ZipFile(wheel) as archive:
        prefix = "tslm/datasets/"
        names = [n.removeprefix(prefix) for n in archive.namelist() if n.startswith(prefix)]
        sums = archive.read(f"{prefix}SHA256SUMS").decode().split()
        for digest, name in zip(sums[::2], sums[1::2], strict=True):
            content = archive.read(prefix + name.lstrip("*"))
            assert hashlib.sha256(content).hexdigest() == digest
    assert set(names) - {"README.md", "SHA256SUMS"} == licensed
    assert not re.search(r"\bL?GPL|unknown", shipped)
    (apart,) = re.findall(r"^\| `weather` \|.*unknown \|$", readme, flags=re.M)
    assert apart
    assert not {"weather.csv", "exchange_rate.csv", "weather.csv.gz"} & set(names)


def test_an_installed_wheel_works_from_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    home, empty = tmp_path / "venv", tmp_path / "empty"
    empty.mkdir()
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    flags = ["install", "--quiet", "--no-deps", "--no-index", "--no-compile"]
    run(sys.executable, "-m", "pip", "--python", python, *flags, wheel, cwd=empty)
    (packages,) = (home / "lib").glob("python*/site-packages")
    # a path alone, whose own .pth files are not read: the dependencies, and no editable tslm
    (packages / "dependencies.pth").write_text(f"{site.getsitepackages()[0]}\n")
    where = run(python, "-c", "import tslm; print(tslm.__file__)", cwd=empty).strip()
    assert Path(where).is_relative_to(packages)
    tslm = home / "bin" / "tslm"
    assert "usage: tslm VERB" in run(tslm, "--help", cwd=empty)
    assert "adapter:" in run(tslm, "config", "show", "fit", cwd=empty)
    words = ["benchmark=etth1", "model=last", "context_length=96", "horizons=[96]", "baselines=[]"]
    printed = run(tslm, "benchmark", *words, cwd=empty)
    assert "MSE 1.2944  MAE 0.7132  2785 x 7 windows" in printed
    assert list(empty.iterdir()) == []


def imported() -> Iterator[tuple[str, str]]:
    """Every package that a file of tslm imports, and the file."""
    for file in (ROOT / "tslm").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [str(node.module)]
            for package in {name.partition(".")[0] for name in names}:
                if package not in sys.stdlib_module_names and package not in ("tslm", *APART):
                    yield package, str(file.relative_to(ROOT))


def plainly(name: str) -> str:
    return name.lower().replace("_", "-")


def test_imported_packages_are_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        needed += extra
    declared = {plainly(re.split(r"[^\w.-]", name)[0]) for name in needed}
    homes = packages_distributions()
    missing = {
        (package, file)
        for package, file in imported()
        if not {plainly(home) for home in homes.get(package, [package])} & declared
    }
    assert not missing
