"""Forecasts of related series, which ``multivariate="tokens"`` reads together."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.command import command
from tests.frames import long_frame, random_walks
from tslm import TSLMForecaster
from tslm.core.errors import ConfigError, DataError
from tslm.core.spec import Spec

H = 4


def forecaster(**settings: Any) -> TSLMForecaster:
    usual = {
        "adapter": "variates",
        "backbone": "tiny",
        "base": None,
        "multivariate": "tokens",
        "context_length": 16,
        "max_steps": 2,
        "random_state": 0,
        "verbose": 0,
    }
    return TSLMForecaster(h=H, **{**usual, **settings})


def leader_and_follower(n: int = 600) -> pd.DataFrame:
    """Return noise, and a series that repeats it four steps later."""
    noise = np.random.default_rng(0).normal(size=n + H)
    return long_frame({"follower": noise[:n], "leader": noise[H:]})


def error_of_follower(multivariate: str) -> float:
    model = forecaster(
        backbone="block:tiny",
        multivariate=multivariate,
        max_steps=100,
        learning_rate=1e-2,
        batch_size=16,
        val_size=0,
    )
    found = model.cross_validation(leader_and_follower(), n_windows=20, baselines=())
    rows = found[found.unique_id == "follower"]
    return float((rows.y - rows.Variates).pow(2).mean() / rows.y.pow(2).mean())


def test_a_series_that_follows_another_is_forecast_from_it() -> None:
    assert error_of_follower("tokens") < 0.5 * error_of_follower("independent")


@pytest.mark.filterwarnings("ignore::UserWarning")  # two steps of training do not help
def test_a_saved_model_forecasts_other_and_fewer_series(tmp_path: Path) -> None:
    df = random_walks(ids=("a", "b", "c"))
    df.loc[(df.unique_id == "b") & (df.ds > "2024-02-10"), "y"] = np.nan  # its end is missing
    model = forecaster(decoder="quantile").fit(df)
    found = model.predict(level=[80])
    assert np.isfinite(found.drop(columns=["unique_id", "ds"]).to_numpy()).all()
    model.save(tmp_path / "model")
    again = TSLMForecaster.load(tmp_path / "model")
    pd.testing.assert_frame_equal(again.predict(level=[80]), found)
    fewer = random_walks(ids=("p", "q"), seed=1)
    both = again.predict(fewer)
    assert both.unique_id.unique().tolist() == ["p", "q"]
    alone = again.predict(fewer[fewer.unique_id == "p"])
    assert not np.allclose(both.Variates[:H], alone.Variates)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("base", ["auto", "profile_ar"])
def test_bases_are_corrected_by_what_reads_series_together(base: str) -> None:
    df = random_walks(ids=("a", "b"))
    model = forecaster(base=base, adapter=Spec("autotimes", patch_len=4)).fit(df)
    found = model.predict(level=[80], num_samples=2)
    assert len(found) == 2 * H
    assert np.isfinite(found.drop(columns=["unique_id", "ds"]).to_numpy()).all()


def test_series_that_end_apart_and_a_choice_of_ids_are_refused() -> None:
    df = random_walks(ids=("a", "b"))
    with pytest.raises(DataError, match="needs them to end together; series 'b'"):
        forecaster().fit(df[(df.unique_id == "a") | (df.ds < "2024-02-20")])
    with pytest.raises(ConfigError, match="multivariate=all is unknown"):
        forecaster(multivariate="all").fit(df)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_command_line_reads_series_together(tmp_path: Path) -> None:
    data, model, out = (tmp_path / name for name in ("walks.csv", "model", "out.csv"))
    random_walks(ids=("a", "b")).to_csv(data, index=False)
    words = "h=4 backbone=tiny base=null multivariate=tokens context_length=16 max_steps=2"
    assert command("fit", f"data={data}", *words.split(), "adapter=variates", f"out={model}") == 0
    assert command("predict", f"model={model}", f"data={data}", f"out={out}") == 0
    assert len(pd.read_csv(out)) == 2 * H
