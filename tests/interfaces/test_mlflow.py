"""Fitted forecasters as models of MLflow, saved, logged and loaded by the real library."""

import logging
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.frames import random_walks
from tslm import BaselineForecaster, ConfigError, DataError, TSLMForecaster, __version__

pytest.importorskip("mlflow", reason="mlflow is not installed")
HERE = "tslm.interfaces.mlflow"
MLFLOW = ["ignore::DeprecationWarning:mlflow", r"ignore:.*Any type hint is inferred:UserWarning"]
pytestmark = [pytest.mark.filterwarnings(line) for line in MLFLOW]


@pytest.fixture(autouse=True)
def no_telemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")


@pytest.fixture
def mlflow(no_telemetry: None) -> Any:
    return import_module("mlflow")


@pytest.fixture
def ours(mlflow: Any) -> Any:
    return import_module(HERE)


@pytest.fixture
def tracked(mlflow: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # a database takes 15 seconds to make
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())
    yield
    mlflow.set_tracking_uri(before)


def fitted(**settings: Any) -> BaselineForecaster:
    return BaselineForecaster("drift", h=3, verbose=0, **settings).fit(random_walks(80))


def test_a_loaded_model_forecasts_as_the_estimator_does(
    ours: Any, mlflow: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    usual = {"backbone": "tiny", "base": None, "max_steps": 2, "accelerator": "cpu", "verbose": 0}
    model = TSLMForecaster(h=4, random_state=0, **usual).fit(random_walks(120))
    ours.save_model(model, tmp_path / "m")
    caplog.set_level(logging.WARNING)
    loaded, newer = mlflow.pyfunc.load_model(str(tmp_path / "m")), random_walks(90, seed=1)
    pd.testing.assert_frame_equal(loaded.predict(newer), model.predict(newer))
    pd.testing.assert_frame_equal(loaded.predict(None), model.predict())
    for asked in (
        {"h": 6, "level": [80]},
        {"quantiles": [0.1, 0.9]},
        {"num_samples": 2},
        {"h": None, "level": []},
    ):
        given = {name: value for name, value in asked.items() if value}
        pd.testing.assert_frame_equal(
            loaded.predict(newer, params=asked), model.predict(newer, **given)
        )
    assert not caplog.records


@pytest.mark.parametrize("times", ["days", "zones", "steps"])
def test_ids_and_times_of_any_type_arrive_as_they_are(
    ours: Any, mlflow: Any, tmp_path: Path, times: str
) -> None:
    made = {"days": {}, "zones": {"freq": "h", "tz": "Europe/Berlin"}, "steps": {"freq": 1}}[times]
    df = random_walks(80, ids=[7, 8], **made).rename(columns={"unique_id": "shop"})
    df["y"] = df.y.round().astype(int)
    model = BaselineForecaster("seasonal_naive", h=3, id_col="shop", verbose=0).fit(df)
    ours.save_model(model, tmp_path / "m")
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "m"))
    pd.testing.assert_frame_equal(loaded.predict(df), model.predict(df))


def test_the_folder_says_what_it_needs_and_has_no_pickle(ours: Any, tmp_path: Path) -> None:
    ours.save_model(fitted(), tmp_path / "m")
    needed = (tmp_path / "m" / "requirements.txt").read_text().split()
    assert f"tslm[mlflow]=={__version__}" in needed
    about = yaml.safe_load((tmp_path / "m" / "MLmodel").read_text())
    assert about["flavors"]["python_function"]["loader_module"] == HERE
    for name in ("h", "level", "quantiles", "num_samples"):
        assert f'"name": "{name}"' in about["signature"]["params"]
    assert not [path for path in (tmp_path / "m").rglob("*") if path.suffix in (".pkl", ".pt")]


@pytest.mark.usefixtures("tracked")
def test_a_run_has_the_model(ours: Any, mlflow: Any) -> None:
    model, df = fitted(), random_walks(50)
    with mlflow.start_run():
        logged = ours.log_model(model, "sales")
    loaded = mlflow.pyfunc.load_model(logged.model_uri)
    pd.testing.assert_frame_equal(loaded.predict(df), model.predict(df))


def test_a_model_without_its_rows_needs_a_frame(ours: Any, mlflow: Any, tmp_path: Path) -> None:
    ours.save_model(fitted(), tmp_path / "m", history=False)
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "m"))
    assert len(loaded.predict(random_walks(50))) == 6
    with pytest.raises((ConfigError, DataError), match="df"):
        loaded.predict(None)


def test_what_pyfunc_cannot_do_is_refused_before_anything_is_written(
    ours: Any, tmp_path: Path
) -> None:
    df = random_walks(80).assign(price=np.arange(160) % 5.0)
    model = BaselineForecaster("drift", h=3, futr_exog=["price"], verbose=0).fit(df)
    with pytest.raises(ConfigError, match=r"needs 'price' of the steps ahead.*futr_exog"):
        ours.save_model(model, tmp_path / "m")
    assert not (tmp_path / "m").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("kept")
    with pytest.raises(ConfigError, match="is not an empty folder"):
        ours.save_model(fitted(), tmp_path / "full")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]


def test_without_mlflow_one_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.delitem(sys.modules, HERE, raising=False)
    with pytest.raises(ConfigError, match=r"^MLflow is not installed.*'tslm\[mlflow\]'$"):
        import_module(HERE)
