"""Few-shot fractions: which rows are trained on, what they scale, and what they leave alone."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from tests.frames import random_walks
from tslm import BaselineForecaster, ConfigError, TSLMForecaster
from tslm.core.config.compose import compose
from tslm.core.config.validation import complete
from tslm.data.split import first_rows
from tslm.evaluation.protocols.long_horizon import run

ROWS, SPLIT, CONTEXT = 400, 340, 24

pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")


@pytest.mark.parametrize("percent", [1, 5, 7, 10, 29, 50, 100])
def test_the_fraction_is_counted_as_published(percent: int) -> None:
    published = (8640 - 512) * percent // 100 + 512
    assert first_rows(np.array([8640]), 512, 24, percent / 100).tolist() == [published]


@given(
    split=st.lists(st.integers(0, 300), min_size=1, max_size=5),
    context=st.integers(1, 100),
    horizon=st.integers(1, 50),
    fraction=st.floats(0.001, 1.0),
)
def test_a_fraction_is_at_least_a_window_and_at_most_all_rows(
    split: list[int], context: int, horizon: int, fraction: float
) -> None:
    every = np.array(split)
    shown = first_rows(every, context, horizon, fraction)
    assert (shown <= every).all()
    assert (shown >= np.minimum(every, horizon)).all()
    assert (shown >= np.minimum(every, np.minimum(context, every - horizon) + horizon)).all()
    assert first_rows(every, context, horizon, 1.0).tolist() == split


def fitted(df: pd.DataFrame, **options: Any) -> TSLMForecaster:
    fixed = {"backbone": "tiny", "max_steps": 3, "accelerator": "cpu", "verbose": 0}
    model = TSLMForecaster(
        base=None,
        h=6,
        context_length=CONTEXT,
        val_size=ROWS - SPLIT,
        random_state=0,
        **fixed,
        **options,
    )
    return model.fit(df)


def changed(df: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    row = df.groupby("unique_id").cumcount()
    return df.assign(y=df.y.where((row < first) | (row >= last), 100 + 3 * df.y))


def test_training_sees_the_first_rows_and_nothing_else() -> None:
    df = random_walks(ROWS, level=0, freq="h")
    (shown,) = first_rows(np.array([SPLIT]), CONTEXT, 6, 0.25)
    model = fitted(df, fraction=0.25)
    same = fitted(changed(df, shown, SPLIT - CONTEXT), fraction=0.25)
    other = fitted(changed(df, shown - 1, SPLIT - CONTEXT), fraction=0.25)
    weights, equal, moved = (m.model_.state_dict() for m in (model, same, other))
    assert all(torch.equal(weights[name], equal[name]) for name in weights)
    assert not all(torch.equal(weights[name], moved[name]) for name in weights)
    assert model.contexts_.stats == same.contexts_.stats != other.contexts_.stats


def test_series_are_scaled_by_the_fraction_or_by_all_training_rows() -> None:
    df = random_walks(ROWS, level=0, freq="h")
    (shown,) = first_rows(np.array([SPLIT]), CONTEXT, 6, 0.25)
    by_id = df.groupby("unique_id").y
    for scaler, rows in (("fraction", shown), ("train", SPLIT)):
        history = fitted(df, fraction=0.25, scaler=scaler).contexts_
        assert_allclose(history.loc, by_id.apply(lambda y, n=rows: y[:n].mean()), rtol=1e-9)
        assert_allclose(history.spread, by_id.apply(lambda y, n=rows: y[:n].std(ddof=0)))
    whole, all_rows = fitted(df), fitted(df, scaler="train")
    assert whole.contexts_.stats == all_rows.contexts_.stats


def test_validation_and_sizes_are_those_of_all_rows() -> None:
    df = random_walks(ROWS, level=0, freq="h")
    few, every = fitted(df, fraction=0.1, scaler="train"), fitted(df)
    assert few.verdict_.windows == every.verdict_.windows == 2 * (ROWS - SPLIT - 5)
    assert few.verdict_.entries[1:] == every.verdict_.entries[1:]  # the untrained ones
    assert few.verdict_.entries[0] != every.verdict_.entries[0]
    sizes = [
        BaselineForecaster("dlinear", h=6, max_steps=1, verbose=0, accelerator="cpu", fraction=f)
        .fit(df)
        .context_length_
        for f in (0.05, 1.0)
    ]
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize("scaler", ["fraction", "train"])
def test_errors_of_a_benchmark_stay_on_the_published_scale(scaler: str) -> None:
    words = ["benchmark=etth1", "model=last", "context_length=96", "horizons=[96]"]
    words += ["fraction=0.01", f"scaler={scaler}"]
    (record,) = run(complete(compose("verb/benchmark", words)))
    assert (round(record["mse"], 4), round(record["mae"], 4)) == (1.2944, 0.7132)
    assert record["windows"] == 2785
    assert (record["config"]["fraction"], record["config"]["scaler"]) == (0.01, scaler)


def test_an_ablation_scales_errors_of_every_fraction_equally() -> None:
    from tslm.evaluation.ablation.arms import Arm, Budget
    from tslm.evaluation.ablation.trial import held_out

    df = random_walks(ROWS, level=0, freq="h")
    budget = Budget("last", (0,), (1.0,), (Arm("last", "system", model="last"),))
    model = fitted(df, alias="mine")
    frames = []
    for fraction in (0.1, 1.0):
        few = model.set_params(fraction=fraction)
        frames.append(few.compare(held_out(few, df, 60), [6], budget).frame.set_index("arm"))
    one, two = (frame.loc["last"] for frame in frames)
    assert one.mse == pytest.approx(two.mse, rel=1e-4)
    assert frames[0].mse.iloc[0] != pytest.approx(frames[1].mse.iloc[0], rel=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fraction": 0.0}, "fraction=0.0 must be above 0 and at most 1"),
        ({"fraction": 10.0}, r"fraction=10.0 must be above 0"),
        ({"scaler": "all"}, "scaler=all is unknown. Choose one of fraction, train"),
    ],
)
def test_impossible_fractions_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        fitted(random_walks(ROWS, level=0, freq="h"), **options)
