"""Fits on Parquet data sets: the same model as that of the frame, with memory that is bounded."""

import json
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from tslm import BaselineForecaster, ConfigError, DataError, TSLMForecaster
from tslm.data import stored_series
from tslm.data.samplers import RandomWindows
from tslm.estimators import data_set
from tslm.estimators.training.checkpoints import LAST

pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")

EXACT = {"random_state": 0, "verbose": 0, "accelerator": "cpu"}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(data_set, "ROWS", 300)


def series(count=20, length=60):
    dice = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=length, freq="D")
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "unique_id": f"s{k:02d}",
                    "ds": days[: length - k % 7],
                    "y": k + dice.normal(size=length - k % 7),
                    "price": dice.normal(size=length - k % 7),
                    "shop": "north" if k % 3 else "south",
                }
            )
            for k in range(count)
        ],
        ignore_index=True,
    )


def forecaster(**settings):
    settings = {"h": 5, "backbone": "tiny", "base": None, "max_steps": 4, **EXACT, **settings}
    return TSLMForecaster(context_length=21, **settings)


def stored(frame, folder, files=3):
    folder.mkdir(parents=True, exist_ok=True)
    for k, rows in enumerate(np.array_split(np.arange(len(frame)), files)):
        frame.iloc[rows].to_parquet(folder / f"{k}.parquet", index=False)
    return folder


def same(one, other, **request):
    expected, found = (model.predict(level=[80], **request) for model in (one, other))
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert one.report_ == other.report_
    assert one.history_.equals(other.history_)


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
def test_a_fit_on_files_has_the_bits_of_a_fit_on_the_frame(tmp_path, order):
    frame = series()
    frame.loc[frame.index[7], "y"] = np.nan
    frame = frame.drop(frame.index[100])
    given = frame if order == "sorted" else frame.sample(frac=1, random_state=0)
    source = stored(given, tmp_path / "data")
    with pytest.warns(UserWarning, match="lacks 1 row between .* a value in 1 row") as direct:
        expected = forecaster().fit(frame)
    with pytest.warns(UserWarning, match="lacks 1 row between .* a value in 1 row") as streamed:
        found = forecaster().fit(source)
    assert [str(w.message) for w in direct] == [str(w.message) for w in streamed]
    same(expected, found)


@pytest.mark.parametrize(
    ("name", "covariates"),
    [
        ("ridge_profile", None),
        pytest.param("covariate_regression", ["price"], marks=pytest.mark.slow),
    ],
)
def test_a_baseline_is_fitted_on_files(tmp_path, name, covariates):
    source = stored(series(), tmp_path / "data")
    model = BaselineForecaster(name, h=5, futr_exog=covariates, **EXACT)
    expected, found = (clone(model).fit(data) for data in (series(), str(source)))
    same(expected, found, futr_df=covariates and prices())


@pytest.mark.slow
def test_a_mix_of_classical_forecasts_is_fitted_on_files(tmp_path):
    source = stored(series(), tmp_path / "data")
    settings = {"base": "auto", "max_steps": 100}
    same(forecaster(**settings).fit(series()), forecaster(**settings).fit(str(source)))


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
def test_several_columns_may_identify_a_series(tmp_path, order):
    frame = series().assign(item=lambda frame: frame.unique_id.str[1:].astype(int))
    given = frame if order == "sorted" else frame.sample(frac=1, random_state=0)
    model = BaselineForecaster("last", h=5, id_col=["shop", "item"], **EXACT)
    source = stored(given.drop(columns="unique_id"), tmp_path / "data")
    same(clone(model).fit(frame), clone(model).fit(source))


def prices():
    days = pd.date_range("2024-01-01", periods=90, freq="D")
    names = ["unique_id", "ds"]
    rows = pd.MultiIndex.from_product([series().unique_id.unique(), days], names=names)
    return rows.to_frame(index=False).assign(price=0.5)


@pytest.mark.parametrize("scaler", ["train", "fraction"])
def test_covariates_prompts_and_scales_are_those_of_the_frame(tmp_path, scaler):
    settings = {
        "adapter": "time_llm",
        "prompt": "{shop}",
        "futr_exog": ["price"],
        "static_exog": ["shop"],
        "scaler": scaler,
        "fraction": 0.5,
    }
    frame = series()
    ahead = forecaster(**settings).fit(frame)
    found = forecaster(**settings).fit(stored(frame, tmp_path / "data"))
    same(ahead, found, futr_df=prices())


class Killed(BaseException):
    """Ends a fit at once, as a signal would."""


@pytest.fixture
def half(tmp_path, monkeypatch):
    """The folder of a fit on files that died after its first checkpoint."""
    source, plain = stored(series(), tmp_path / "data"), RandomWindows.batch

    def batch(self, step):
        if step == 3:
            raise Killed
        return plain(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(RandomWindows, "batch", batch)
        with pytest.raises(Killed):
            forecaster().fit(source, folder=tmp_path / "run")
    return tmp_path / "run"


def test_an_interrupted_fit_reads_the_data_set_once(half, monkeypatch):
    assert (half / LAST).is_file()
    assert not list(half.glob(".panel-*"))
    monkeypatch.setattr(stored_series, "beside", None)  # to write would fail
    again = forecaster().fit(half.parent / "data", folder=half)
    same(forecaster().fit(series()), again)
    assert not (half / data_set.FOLDER).exists()


def test_files_that_have_changed_are_read_again(half):
    stored(series().assign(y=lambda frame: frame.y**2), half.parent / "data")
    with pytest.raises(ConfigError, match="holds an unfinished run with data="):
        forecaster().fit(half.parent / "data", folder=half)
    (half / LAST).unlink()
    again = forecaster().fit(half.parent / "data", folder=half)
    same(forecaster().fit(series().assign(y=lambda frame: frame.y**2)), again)


DIES = """
import os, signal, sys
from tslm import BaselineForecaster
from tslm.estimators import data_set
from tslm.estimators.frame_reader import FrameReader
data_set.ROWS, read, calls = 300, FrameReader.read, []
def dies(*args, **settings):
    calls.append(args)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return read(*args, **settings)
FrameReader.read = dies
BaselineForecaster("last", h=5, verbose=0).fit(sys.argv[1], folder=sys.argv[2])
"""


def test_half_of_the_files_is_never_used(tmp_path):
    source, run = stored(series(), tmp_path / "data"), tmp_path / "run"
    ended = subprocess.run([sys.executable, "-c", DIES, source, run], check=False)
    assert ended.returncode == -signal.SIGKILL
    drafts = list(run.glob(".rows-*/rows/block-*"))
    assert len(drafts) == 2
    assert not (run / data_set.FOLDER).exists()
    model = BaselineForecaster("last", h=5, verbose=0)
    same(clone(model).fit(series()), clone(model).fit(source, folder=run))
    assert not list(run.glob(".rows-*"))


@pytest.mark.parametrize(
    ("settings", "arguments", "message"),
    [
        ({"resample": "W"}, {}, "^resample cannot be used with a data set in files yet"),
        ({"hist_exog": ["price"]}, {}, "^hist_exog cannot be used"),
        ({"futr_exog": ["cost"]}, {}, "lacks the columns 'cost'"),
        ({}, {"val_df": series()}, "^val_df cannot be used"),
        ({}, {"events": series()}, "^events cannot be used"),
        ({"h": 5, "model": "itransformer"}, {}, "reads all series together"),
    ],
)
def test_what_files_do_not_take_is_refused(tmp_path, settings, arguments, message):
    source = stored(series(), tmp_path / "data")
    settings = {"model": "last", "h": 5, "verbose": 0, **settings}
    with pytest.raises((ConfigError, DataError), match=message):
        BaselineForecaster(**settings).fit(source, **arguments)


def test_a_path_without_files_is_refused():
    with pytest.raises(DataError, match="nowhere is no Parquet file, and no folder or pattern"):
        BaselineForecaster("last", h=5).fit("nowhere")


def test_another_frequency_in_later_files_is_refused(tmp_path):
    later = series().assign(unique_id=lambda frame: "t" + frame.unique_id)
    later["ds"] = later.ds + (later.ds - later.ds.min())
    source = stored(pd.concat([series(), later]), tmp_path / "data")
    with pytest.raises(DataError, match="freq='2D', but the first series of the data set have"):
        BaselineForecaster("last", h=5).fit(source)


BENCHMARK = Path(__file__).parents[2] / "docs/benchmarks/fit_data_set.py"


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(tmp_path):
    write, peaks = runpy.run_path(str(BENCHMARK))["write"], []
    for rows in (1_000_000, 6_000_000):
        (folder := tmp_path / str(rows)).mkdir()
        write(rows, folder)
        words = [sys.executable, "-W", "ignore", BENCHMARK, "one", str(rows), "files", folder]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        peaks.append(json.loads(done.stdout)["private"])
    assert (peaks[1] - peaks[0]) * 1e9 / 5_000_000 < 10  # a row and its time are 12 bytes
