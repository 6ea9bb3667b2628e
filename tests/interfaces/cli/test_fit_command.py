"""``tslm fit`` on a data set of files, and from a saved model."""

import json

import numpy as np
import pandas as pd
import pytest

from tests.command import command
from tslm import TSLMForecaster

pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")

WORDS = ["accelerator=cpu", "random_state=0", "verbose=0"]
NEW = [*WORDS, "h=5", "backbone=tiny", "base=null", "max_steps=3", "context_length=21"]


def series(length=60):
    dice = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=length, freq="D")
    return pd.concat(
        pd.DataFrame({"unique_id": f"s{k}", "ds": days, "y": k + dice.normal(size=length)})
        for k in range(6)
    )


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder with a data set in the folder ``sales``."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sales").mkdir()
    for number, ids in enumerate((["s0", "s1"], ["s2", "s3", "s4", "s5"])):
        part = series()[lambda frame, ids=ids: frame.unique_id.isin(ids)]
        part.to_parquet(tmp_path / f"sales/{number}.parquet", index=False)
    series().to_parquet(tmp_path / "sales.parquet", index=False)
    return tmp_path


def forecast(model):
    return TSLMForecaster.load(model).predict(series())


@pytest.mark.parametrize(
    "words", [["data=sales"], ["data=sales/*.parquet"], ["data=sales.parquet", "engine=local"]]
)
def test_a_fit_on_files_is_that_on_the_table(here, words):
    assert command("fit", *NEW, "data=sales.parquet", "out=a") == 0
    assert command("fit", *NEW, *words, "out=b") == 0
    pd.testing.assert_frame_equal(forecast("a"), forecast("b"), check_exact=True)
    assert sorted(path.name for path in (here / "b").iterdir()) == [
        "history.safetensors",
        "model.json",
        "weights.safetensors",
    ]


def test_a_fit_may_leave_out_the_series(here):
    assert command("fit", *NEW, "data=sales", "history=false", "out=a") == 0
    assert len(TSLMForecaster.load("a").contexts_) == 0


def test_a_fit_goes_on_from_a_saved_model(here):
    assert command("fit", *NEW, "data=sales", "out=a") == 0
    words = ["init=a", "max_steps=2", "learning_rate=1e-4", "context_length=21"]
    assert command("fit", *words, "data=sales.parquet", "out=b") == 0
    model = TSLMForecaster.load("a").set_params(max_steps=2, learning_rate=1e-4)
    expected = model.fit(series(), warm_start=True).predict(series())
    pd.testing.assert_frame_equal(forecast("b"), expected, check_exact=True)
    params = json.loads((here / "b/model.json").read_text())["params"]
    assert (params["max_steps"], params["h"], params["random_state"]) == (2, 5, 0)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("context_length=42", "context_length=42 contradicts the model a, which was .*=21"),
        ("adapter.patch_len=3", "adapter.patch_len=3 contradicts the model a"),
        ("adapter=time_llm", "adapter=time_llm contradicts .* fitted with adapter=autotimes"),
        ("base=auto", "base=auto contradicts"),
        ("model=last", "model=last contradicts .* fitted with model=null"),
        ("h=6", "h=6 contradicts .* keeps its sizes: leave out h, or init"),
    ],
)
def test_sizes_of_the_saved_model_cannot_be_changed(saved, capsys, word, message):
    assert command("fit", "init=a", word, "data=sales.parquet", "out=b") == 2
    assert pd.Series(capsys.readouterr().err).str.contains(message).all()
    assert not (saved / "b").exists()


@pytest.fixture
def saved(here):
    assert command("fit", *NEW, "data=sales", "out=a") == 0
    return here


@pytest.mark.usefixtures("here")
def test_a_model_that_is_not_there_is_one_message(capsys):
    assert command("fit", "init=nowhere", "data=sales.parquet", "out=b") == 2
    assert "nowhere" in capsys.readouterr().err
