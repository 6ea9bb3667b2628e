"""A saved model: small, whole, and never trusted."""

import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from filelock import FileLock
from safetensors import safe_open

from tests.command import command
from tests.frames import random_walks
from tslm import BackboneError, ConfigError, DataError, Spec, TslmError, TSLMForecaster
from tslm.data.datasets.benchmarks import load
from tslm.estimators.saving.files import digest_of
from tslm.estimators.saving.folder import read_saved, write_saved
from tslm.models.rollouts.cached import CachedRollout

pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")


def fit(df: pd.DataFrame, **options: Any) -> TSLMForecaster:
    fast = {"backbone": "tiny", "max_steps": 3, "accelerator": "cpu", "verbose": 0, "h": 8}
    return TSLMForecaster(**{"base": None, **fast, "random_state": 0, **options}).fit(df)


def series(n: int = 90) -> pd.DataFrame:
    return random_walks(n, (4, 9), level=0, freq="h", start="2024-03-01", tz="Europe/Berlin")


@pytest.fixture(scope="module")
def model() -> TSLMForecaster:
    adapter = Spec("autotimes", patch_len=8, layers=2, timestamps="text")
    return fit(series(), adapter=adapter, alias="mine")


@pytest.fixture
def saved(model: TSLMForecaster, tmp_path: Path) -> Path:
    model.save(tmp_path / "model")
    return tmp_path / "model"


def alter(folder: Path, change: Callable[[dict[str, Any]], Any], *, sign: bool = False) -> None:
    """Change model.json, and its checksum too if ``sign`` is set, as an attacker would."""
    file = folder / "model.json"
    facts = json.loads(file.read_text())
    change(facts)
    if sign:
        facts["files"]["model.json"] = digest_of(facts)
    file.write_text(json.dumps(facts))


def test_a_loaded_model_forecasts_the_same_bits(model: TSLMForecaster, saved: Path) -> None:
    twin = TSLMForecaster.load(saved)
    for df in (None, series(40).replace({"unique_id": {9: 5}})):
        pd.testing.assert_frame_equal(
            twin.predict(df, h=20), model.predict(df, h=20), check_exact=True
        )
    assert twin.get_params() == model.get_params()
    assert twin.verdict_ == model.verdict_
    assert (twin.task_, twin.calendar_) == (model.task_, model.calendar_)


def test_a_model_of_an_earlier_version_has_its_rollout_among_the_values(tmp_path: Path) -> None:
    model = fit(series(), adapter=Spec("autotimes", patch_len=8), rollout="cached")
    model.save(tmp_path / "model")

    def as_before(facts: dict[str, Any]) -> None:
        facts["settled"]["values"]["rollout"] = facts["settled"].pop("rollout")["spec"]

    alter(tmp_path / "model", as_before, sign=True)
    twin = TSLMForecaster.load(tmp_path / "model")
    assert isinstance(twin.model_.rollout, CachedRollout)
    pd.testing.assert_frame_equal(twin.predict(h=20), model.predict(h=20), check_exact=True)


def test_another_process_forecasts_the_same_bits(
    model: TSLMForecaster, saved: Path, tmp_path: Path
) -> None:
    script = (
        "import sys; from tslm import TSLMForecaster; "
        "TSLMForecaster.load(sys.argv[1]).predict(h=20).to_parquet(sys.argv[2])"
    )
    out = tmp_path / "forecast.parquet"
    subprocess.run([sys.executable, "-c", script, saved, out], check=True, cwd=tmp_path)
    pd.testing.assert_frame_equal(pd.read_parquet(out), model.predict(h=20), check_exact=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["forecast.parquet", "model"]


def test_a_loaded_model_knows_what_was_found_in_its_frame_and_gives_that_kind_back(
    tmp_path: Path,
) -> None:
    polars = pytest.importorskip("polars")
    df = series().drop(index=[5, 6])
    with pytest.warns(UserWarning, match="lacks"):
        model = fit(polars.from_pandas(df), max_steps=1)
    model.save(tmp_path / "m")
    twin = TSLMForecaster.load(tmp_path / "m")
    assert twin.report_ == model.report_
    assert twin.report_.worst == {4: 2}
    assert isinstance(twin.predict(), polars.DataFrame)


def test_a_moved_backbone_is_loaded_from_the_path_of_the_user(
    checkpoint: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    shutil.copytree(checkpoint("llama"), tmp_path / "llm")
    monkeypatch.chdir(tmp_path)
    model = fit(series(), backbone="llm", n_layers=1, max_steps=1)
    model.save("m")
    (tmp_path / "llm").rename(tmp_path / "moved")
    with pytest.raises(BackboneError, match="no backbone 'llm'"):
        TSLMForecaster.load("m")
    twin = TSLMForecaster.load("m", backbone="moved")
    assert twin.backbone == "moved"
    pd.testing.assert_frame_equal(twin.predict(), model.predict())
    with pytest.raises(BackboneError, match=r"fingerprint .*load\(path, backbone=...\)"):
        TSLMForecaster.load("m", backbone="tiny")


def test_a_loaded_model_can_be_saved_and_fitted_again(saved: Path, tmp_path: Path) -> None:
    twin = TSLMForecaster.load(saved)
    twin.save(tmp_path / "again")
    for name in ("weights.safetensors", "history.safetensors", "model.json"):
        assert (tmp_path / "again" / name).read_bytes() == (saved / name).read_bytes()
    pd.testing.assert_frame_equal(
        twin.fit(series()).predict(), TSLMForecaster.load(saved).predict()
    )


def test_seven_long_series_are_saved_in_less_than_five_megabytes(tmp_path: Path) -> None:
    frame = load("etth1").frame
    adapter = Spec("autotimes", patch_len=96)
    fit(frame, h=96, context_length=672, adapter=adapter, max_steps=1).save(tmp_path / "m")
    assert sum(file.stat().st_size for file in (tmp_path / "m").iterdir()) < 5e6


def test_a_folder_holds_json_and_tensors_without_the_backbone(saved: Path) -> None:
    assert sorted(file.name for file in saved.iterdir()) == [
        "history.safetensors",
        "model.json",
        "weights.safetensors",
    ]
    facts = json.loads((saved / "model.json").read_text())
    assert facts["backbone"]["name"] == "tiny"
    assert len(facts["backbone"]["fingerprint"]) > 20
    with safe_open(saved / "weights.safetensors", "pt") as weights:
        names = list(weights.keys())
    assert names
    assert not any("backbone" in name for name in names)


def test_nothing_is_pickled_or_unpickled(
    model: TSLMForecaster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("pickle")

    for name in ("load", "loads", "dump", "dumps", "Pickler", "Unpickler"):
        monkeypatch.setattr(pickle, name, never)
    for name in ("load", "save"):
        monkeypatch.setattr(torch, name, never)
        monkeypatch.setattr(np, name, never)
    model.save(tmp_path / "m")
    TSLMForecaster.load(tmp_path / "m").predict()
    for file in (tmp_path / "m").iterdir():
        with pytest.raises((pickle.UnpicklingError, AssertionError)):
            pickle.loads(file.read_bytes())
        assert file.read_bytes()[:1] != b"\x80"
        assert file.read_bytes()[:2] != b"PK"


@pytest.mark.parametrize("name", ["weights.safetensors", "history.safetensors"])
def test_one_changed_bit_is_found(saved: Path, name: str) -> None:
    content = bytearray((saved / name).read_bytes())
    content[-5] ^= 1
    (saved / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name} is missing, damaged or altered"):
        TSLMForecaster.load(saved)


@pytest.mark.parametrize("name", ["weights.safetensors", "history.safetensors", "model.json"])
def test_a_missing_file_is_named(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(DataError, match=name):
        TSLMForecaster.load(saved)


def test_a_folder_that_is_none_of_ours_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(DataError, match="is not a saved tslm model"):
            TSLMForecaster.load(path)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"format": 1}', '"x"', '{"files": {}}', "[" * 100_000]
    + [f'{{"kind": "x", "files": {{}}, "format": {value}}}' for value in ('"1"', "1.0", "true")],
)
def test_damaged_json_is_refused(saved: Path, text: str) -> None:
    (saved / "model.json").write_text(text)
    with pytest.raises(DataError, match="damaged"):
        TSLMForecaster.load(saved)


def test_a_newer_format_asks_for_a_newer_tslm(saved: Path) -> None:
    alter(saved, lambda facts: facts.update(format=2, tslm="9.0"))
    with pytest.raises(DataError, match=r"format 2, written by tslm 9.0.*Upgrade tslm"):
        TSLMForecaster.load(saved)


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.pop("calendar"),
        lambda f: f["params"].update(h=9),
        lambda f: f["settled"]["adapter"]["options"].update(mix=2.0),
        lambda f: f["verdict"].update(windows=10**6),
        lambda f: f["backbone"].update(name="gpt"),
    ],
)
def test_edited_facts_are_refused(saved: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    alter(saved, change)
    with pytest.raises(DataError, match=r"model\.json was altered"):
        TSLMForecaster.load(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f["settled"]["adapter"].update(spec="../x"), "invalid part name: '../x'"),
        (lambda f: f["settled"]["adapter"].update(spec="evil"), "adapter=evil is unknown"),
        (lambda f: f["params"]["adapter"].update(spec="os.path"), "invalid part name: 'os.path'"),
        (
            lambda f: f["settled"]["adapter"]["options"].update(_target_="evil.run"),
            "no option '_target_'",
        ),
        (
            lambda f: f["settled"]["values"].update({"adapter._target_": "tslm.evil"}),
            "adapter._target_ is not a setting",
        ),
        (
            lambda f: f["settled"]["values"].update({"trainer": {"_target_": "torch.hub.load"}}),
            "trainer is not a setting",
        ),
        (lambda f: f["params"].update(callback="evil.run"), "unknown parameters: callback"),
        (lambda f: f["backbone"].update(fingerprint="0" * 64), "fingerprint 0000.*Get the weights"),
        (lambda f: f["backbone"].update(n_layers=7), "n_layers 7"),
        (lambda f: f["settled"]["values"].update(n_layers=1), "n_layers"),
    ],
)
def test_forged_facts_are_refused_and_nothing_they_name_is_imported(
    saved: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[dict[str, Any]], Any],
    message: str,
) -> None:
    (tmp_path / "evil.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    alter(saved, change, sign=True)
    with pytest.raises(TslmError, match=message):
        TSLMForecaster.load(saved)
    assert not {"evil", "torch.hub"} & (set(sys.modules) - before)


def test_weights_of_another_shape_are_refused(saved: Path) -> None:
    stored = read_saved(saved)
    name = next(name for name in stored.weights if not name.startswith("intervals."))
    stored.weights[name] = torch.zeros(3, 3)
    write_saved(stored, saved, overwrite=True)
    with pytest.raises(DataError, match=f"do not fit the model: {name}"):
        TSLMForecaster.load(saved)
    del stored.weights[name]
    write_saved(stored, saved, overwrite=True)
    with pytest.raises(DataError, match=f"do not fit the model: {name}"):
        TSLMForecaster.load(saved)


def test_a_backbone_with_weights_of_another_shape_is_refused(saved: Path) -> None:
    stored = read_saved(saved)
    stored.weights["backbone.sneaked_in"] = torch.zeros(2)
    write_saved(stored, saved, overwrite=True)
    with pytest.raises(DataError, match=r"do not fit the model: backbone.sneaked_in"):
        TSLMForecaster.load(saved)


def test_a_backbone_that_is_not_here_is_not_fetched(
    saved: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TSLM_CACHE", str(tmp_path / "empty"))
    for key, value in (("TSLM_OFFLINE", "1"), ("HF_HUB_OFFLINE", "1")):
        monkeypatch.setenv(key, value)
    alter(saved, lambda f: f["settled"]["values"].update(backbone="org/none"), sign=True)
    with pytest.raises(BackboneError, match="org/none"):
        TSLMForecaster.load(saved)


class TestWriting:
    def test_what_is_there_is_replaced_only_when_asked(
        self, model: TSLMForecaster, saved: Path
    ) -> None:
        before = (saved / "model.json").read_bytes()
        with pytest.raises(ConfigError, match=r"holds a saved model already.*overwrite=True"):
            model.save(saved)
        assert (saved / "model.json").read_bytes() == before
        TSLMForecaster.load(saved)

    def test_other_files_in_the_folder_are_kept(self, model: TSLMForecaster, saved: Path) -> None:
        (saved / "forecast.csv").write_text("mine")
        (saved / "plots").mkdir()
        (saved / "plots" / "a.png").write_text("drawn")
        (saved / "newest").symlink_to("forecast.csv")
        with (saved / "forecast.csv").open("a") as log:
            model.save(saved, overwrite=True)
            log.write(", and still mine")
        assert (saved / "newest").readlink() == Path("forecast.csv")
        assert (saved / "newest").read_text() == "mine, and still mine"
        assert (saved / "plots" / "a.png").read_text() == "drawn"
        assert [path.name for path in saved.parent.iterdir()] == ["model"]
        TSLMForecaster.load(saved)

    def test_a_link_stays_a_link(self, model: TSLMForecaster, saved: Path) -> None:
        latest = saved.parent / "latest"
        latest.symlink_to(saved)
        before = (saved / "model.json").stat().st_ino
        model.save(latest, overwrite=True)
        assert latest.readlink() == saved
        assert (saved / "model.json").stat().st_ino != before

    def test_home_is_home(
        self, model: TSLMForecaster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("USERPROFILE", str(tmp_path))
        model.save("~/mine")
        assert (tmp_path / "mine" / "model.json").is_file()
        TSLMForecaster.load("~/mine")

    def test_drafts_of_killed_processes_are_removed(
        self, model: TSLMForecaster, tmp_path: Path
    ) -> None:
        for name in (".m-abcdefgh", ".m-01234567", ".m-other-abcdefgh", ".m2-abcdefgh"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "half").write_text("")
        (tmp_path / ".m-abcdefgh" / "lock").touch()
        os.utime(tmp_path / ".m-01234567", (0, 0))
        (tmp_path / ".m-inuseabc").mkdir()
        with FileLock(tmp_path / ".m-inuseabc" / "lock"):
            model.save(tmp_path / "m")
        left = {path.name for path in tmp_path.iterdir()}
        assert left == {"m", ".m-inuseabc", ".m-other-abcdefgh", ".m2-abcdefgh"}

    def test_a_kill_between_two_moves_loses_no_model(
        self, model: TSLMForecaster, saved: Path
    ) -> None:
        hidden = saved.parent / ".model-abcdefgh"
        hidden.mkdir()
        (hidden / "lock").touch()
        saved.rename(hidden / "old")
        TSLMForecaster.load(saved)
        assert [path.name for path in saved.parent.iterdir()] == ["model"]

    def test_a_folder_or_file_that_is_no_model_is_never_overwritten(
        self, model: TSLMForecaster, tmp_path: Path
    ) -> None:
        (tmp_path / "photos").mkdir()
        (tmp_path / "photos" / "cat.jpg").write_text("meow")
        (tmp_path / "file").write_text("words")
        for name in ("photos", "file"):
            with pytest.raises(ConfigError, match="is not a saved model, so it is not overwritten"):
                model.save(tmp_path / name, overwrite=True)
        assert (tmp_path / "photos" / "cat.jpg").read_text() == "meow"

    @pytest.mark.parametrize("verb", ["fit h=3 data=nowhere.csv", "pull repo=nobody/nothing"])
    def test_a_folder_is_refused_before_the_work(
        self, verb: str, saved: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (saved.parent / "photos").mkdir()
        (saved.parent / "photos" / "cat.jpg").touch()
        refusals = {"photos": "is not a saved model", "model": "holds a saved model already"}
        for name, message in refusals.items():
            assert command(*verb.split(), f"out={saved.parent / name}") == 2
            assert message in capsys.readouterr().err

    @pytest.mark.parametrize("there", [False, True])
    @pytest.mark.parametrize("failing", ["sha256", "swap"])
    def test_a_failure_leaves_nothing_or_what_was_there(
        self,
        model: TSLMForecaster,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        there: bool,
        failing: str,
    ) -> None:
        path = tmp_path / "model"
        if there:
            model.save(path)
        before = {file: file.read_bytes() for file in path.glob("*")}

        def fail(*_: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(f"tslm.estimators.saving.folder.{failing}", fail)
        with pytest.raises(ConfigError, match=r"cannot be written: .*No space left.*Make"):
            model.save(path, overwrite=True)
        assert {file: file.read_bytes() for file in path.glob("*")} == before
        assert list(tmp_path.iterdir()) == ([path] if there else [])

    def test_the_folder_is_readable_as_any_other(self, saved: Path, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        assert saved.stat().st_mode == (tmp_path / "other").stat().st_mode

    def test_the_checksums_are_those_of_the_files(self, saved: Path) -> None:
        files = json.loads((saved / "model.json").read_text())["files"]
        for name in ("weights.safetensors", "history.safetensors"):
            assert files[name] == hashlib.sha256((saved / name).read_bytes()).hexdigest()


def test_a_saved_model_has_the_permissions_of_the_umask(
    model: TSLMForecaster, tmp_path: Path
) -> None:
    model.save(tmp_path / "m")
    plain = tmp_path / "plain"
    plain.touch()
    modes = {file.stat().st_mode & 0o777 for file in (tmp_path / "m").iterdir()}
    assert modes == {plain.stat().st_mode & 0o777}


NO_PATH = """
import pandas as pd
from tslm import BaselineForecaster, ConfigError
df = pd.DataFrame({"ds": range(9), "y": range(9)})
model = BaselineForecaster("last", h=1, verbose=0).fit(df)
for use in (model.save, BaselineForecaster.load):
    try:
        use(None)
    except ConfigError as error:
        print(error)
"""


def test_none_is_no_path() -> None:
    """Calls in a process of its own, without the checks of types of the tests."""
    done = subprocess.run([sys.executable, "-c", NO_PATH], capture_output=True, text=True)
    assert done.stdout.count("None is not a path. Give the path") == 2, done.stderr
