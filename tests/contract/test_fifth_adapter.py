"""docs/fifth-adapter.md works: its files make a package that is installed, tested and used."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.frames import weekly
from tslm import ConfigError, TSLMForecaster
from tslm.core.config.build import build
from tslm.core.config.choices import choices
from tslm.core.config.estimator_settings import configure
from tslm.core.paths import targets

PAGE = (Path(__file__).parents[2] / "docs" / "fifth-adapter.md").read_text()
FILES = dict(re.findall(r'```\w+ title="([^"]+)"\n(.*?)```', PAGE, re.S))
pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")


def run(*words: object, cwd: Path, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the page."""
    home = tmp_path_factory.mktemp("a page") / "spectra"
    for name, text in FILES.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    tree = re.search(r"```\nspectra/\n(.*?)```", PAGE, re.S)
    assert tree is not None
    assert {line.strip() for line in tree[1].splitlines()} == set(FILES)
    return home


@pytest.fixture(scope="module")
def site(package: Path) -> Path:
    """The package, installed into a folder of its own."""
    flags = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--no-compile"]
    target = package.parent / "site"
    run("-m", "pip", "install", *flags, "--target", target, package, cwd=package.parent)
    return target


def test_the_test_of_the_page_passes(package: Path, site: Path) -> None:
    where = f"{site}{os.pathsep}{Path(__file__).parents[2]}"
    output = run(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", cwd=package, PYTHONPATH=where
    )
    assert re.search(r"^28 passed", output, re.M), output


def test_an_installed_adapter_is_a_name_on_the_command_line(site: Path, tmp_path: Path) -> None:
    weekly(120).to_csv(tmp_path / "sales.csv", index=False)
    where = f"{site}{os.pathsep}{Path(__file__).parents[2]}"
    command = re.search(r"^tslm (fit .*adapter=spectra.*)$", PAGE, re.M)
    assert command is not None
    words = [*command[1].split(), "backbone=tiny", "max_steps=2", "verbose=0"]
    run("-m", "tslm", *words, cwd=tmp_path, PYTHONPATH=where)
    run(
        "-m",
        "tslm",
        "predict",
        "model=runs/spectra",
        "out=f.csv",
        cwd=tmp_path,
        PYTHONPATH=where,
    )
    assert list(pd.read_csv(tmp_path / "f.csv")) == ["unique_id", "ds", "Spectra"]


def test_a_folder_of_the_user_works_too(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "spectra" not in choices("adapter")
    with pytest.raises(ConfigError, match="adapter=spectra is unknown"):
        configure({"adapter": "spectra"}, {})
    monkeypatch.syspath_prepend(package)
    monkeypatch.setenv("TSLM_CONF", str(package / "spectra" / "conf"))
    assert {"spectra", "autotimes"} <= set(choices("adapter"))
    assert TSLMForecaster(base=None, adapter="spectra").name == "Spectra"
    cfg = configure({"adapter": "spectra"}, {})
    assert cfg.learning_rate == 1e-3
    cfg.adapter._target_ = "spectra.adapter.evil"
    with pytest.raises(ConfigError, match="is not trusted"):
        build(cfg.adapter)


def test_a_name_of_ours_is_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "adapter").mkdir()
    text = "# @package _global_\nadapter:\n  _target_: os.system\n"
    (tmp_path / "adapter" / "autotimes.yaml").write_text(text)
    monkeypatch.setenv("TSLM_CONF", str(tmp_path))
    assert configure({"adapter": "autotimes"}, {}).adapter._target_.startswith("tslm.")
    assert "os.system" in targets()


def test_a_folder_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TSLM_CONF", "no/such")
    with pytest.raises(ConfigError, match=r"TSLM_CONF=no/such: .*no/such is not a folder"):
        choices("adapter")
