"""Broken frames: each gives a valid forecast, or an error that names its fault.

A few hundred in the ordinary run; ``python -m tests.campaigns.test_hostile_frames 20000``
(``make hostile``) runs as many as one likes, and counts the outcomes.
"""

import re
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from tslm import BaselineForecaster, ConfigError, DataError, Spec, TSLMForecaster
from tslm.data.columns import Columns, select

H = 3
SAYS_WHERE = r"[Ss]eries|row|column|[Ff]rame|freq|covariate|dates|times"
FREQUENCIES = ["h", "15min", "D", "2D", "B", "W", "MS", "ME", "QS", "YS", "s", 1, 5]
LENGTHS = [1, 2, 3, 7, 20, 60]
Table = pd.DataFrame
Dice = np.random.Generator

IDS: dict[str, Callable[[int], Any]] = {
    "text": lambda k: f"s{k}",
    "number": lambda k: 10 - k,
    "huge": lambda k: "x" * 3000 + str(k),
    "odd": lambda k: ["", " ", "\n", "ü\0"][k],
    "fraction": lambda k: k + 0.5,
    "mixed": lambda k: k if k % 2 else f"s{k}",
    "large": lambda k: 2**62 + k,
    "truth": lambda k: k % 2 == 0,
    "pair": lambda k: ("a", k),
    "time": lambda k: pd.Timestamp("2024-01-01") + pd.Timedelta(days=k),
}
VALUES: dict[str, Callable[[Dice, int], Any]] = {
    "walk": lambda dice, n: dice.normal(size=n).cumsum(),
    "small": lambda dice, n: 1e-8 * dice.normal(size=n),
    "large": lambda dice, n: 1e12 * (5 + dice.normal(size=n)),
    "immense": lambda dice, n: 1e300 * dice.normal(size=n),
    "tiny": lambda dice, n: 1e-300 * dice.normal(size=n),
    "far": lambda dice, n: 1e9 + 1e-3 * dice.normal(size=n),
    "constant": lambda dice, n: np.full(n, 7.0),
    "zero": lambda dice, n: np.zeros(n),
    "counts": lambda dice, n: dice.poisson(0.3, n),
    "once": lambda dice, n: (np.arange(n) == n // 2).astype(float),
    "outlier": lambda dice, n: np.where(np.arange(n) == 1, 1e15, dice.normal(size=n)),
    "whole": lambda dice, n: dice.integers(-(2**40), 2**40, n),
    "unsigned": lambda dice, n: dice.integers(0, 200, n).astype(np.uint8),
    "half": lambda dice, n: dice.normal(size=n).astype(np.float16),
    "truth": lambda dice, n: dice.random(n) < 0.5,
    "decimal": lambda dice, n: [Decimal(int(v)) / 100 for v in dice.integers(0, 999, n)],
    "nullable": lambda dice, n: pd.array([1, None] * (n // 2) + [3] * (n % 2), dtype="Int64"),
    "written": lambda dice, n: [str(v) for v in dice.integers(0, 9, n)],
    "spoken": lambda dice, n: ["many"] * n,
    "none": lambda dice, n: [None] * n,
    "some": lambda dice, n: np.where(dice.random(n) < 0.5, np.nan, 1.0),
    "infinite": lambda dice, n: np.where(dice.random(n) < 0.2, np.inf, 1.0),
    "complex": lambda dice, n: dice.normal(size=n) + 1j,
    "category": lambda dice, n: pd.Categorical(dice.integers(0, 3, n)),
    "list": lambda dice, n: [[1.0]] * n,
}


def _shifted(table: Table, dice: Dice, by: Any) -> Table:
    row = int(dice.integers(len(table)))
    ds = table.ds.astype(object)
    ds.iloc[row] = ds.iloc[row] + by if not isinstance(ds.iloc[row], str) else by
    return table.assign(ds=ds.infer_objects())


def _other_step(table: Table, dice: Dice) -> Table:
    """The last series twice as slow as the others."""
    last = table.unique_id == table.unique_id.iloc[-1]
    return table[~last | (np.arange(len(table)) % 2 == 0)]


def _emptied(table: Table, dice: Dice) -> Table:
    ids = table.unique_id.astype("category")
    return table.assign(unique_id=ids.cat.add_categories(["nobody"]))


DEFECTS: dict[str, Callable[[Table, Dice], Any]] = {
    "shuffled": lambda t, dice: t.sample(frac=1, random_state=int(dice.integers(99))),
    "gaps": lambda t, dice: t[dice.random(len(t)) < 0.8],
    "twice": lambda t, dice: pd.concat([t, t.iloc[: max(len(t) // 3, 1)]]),
    "lacking": lambda t, dice: t.assign(y=t.y.where(dice.random(len(t)) < 0.7)),
    "nobody": lambda t, dice: t.assign(unique_id=t.unique_id.where(dice.random(len(t)) < 0.9)),
    "never": lambda t, dice: t.assign(ds=t.ds.where(dice.random(len(t)) < 0.9)),
    "off": lambda t, dice: _shifted(t, dice, 1 if t.ds.dtype == int else pd.Timedelta("7s")),
    "split second": lambda t, dice: _shifted(t, dice, pd.Timedelta("5ms")),
    "far away": lambda t, dice: _shifted(t, dice, 10**9 if t.ds.dtype == int
                                         else pd.Timedelta(days=60_000)),
    "other step": _other_step,
    "as text": lambda t, dice: t.assign(ds=t.ds.astype(str)),
    "as objects": lambda t, dice: t.astype({"ds": object, "y": object}),
    "as days": lambda t, dice: t.assign(ds=[getattr(d, "date", lambda d=d: d)() for d in t.ds]),
    "as fractions": lambda t, dice: t.assign(ds=np.arange(len(t)) / 3),
    "as periods": lambda t, dice: t.assign(ds=pd.period_range("2024", periods=len(t), freq="M")),
    "indexed": lambda t, dice: t.set_index(["unique_id", "ds"]),
    "empty category": _emptied,
    "empty": lambda t, dice: t.head(0),
    "no target": lambda t, dice: t.drop(columns="y"),
    "two targets": lambda t, dice: pd.concat([t, t[["y"]]], axis=1),
    "other names": lambda t, dice: t.rename(columns={"ds": "Date"}),
    "no frame": lambda t, dice: t.to_dict("list"),
    "odd index": lambda t, dice: t.set_axis([0] * len(t)),
    "nullable": lambda t, dice: t.convert_dtypes(),
    "as category": lambda t, dice: t.astype({"unique_id": "category"}),
}  # fmt: skip


def frame(
    ids: str,
    values: list[str],
    lengths: list[int],
    freq: str | int,
    tz: str | None,
    defects: list[str],
    seed: int,
) -> Any:
    """A frame as it is described."""  # fmt: skip
    dice = np.random.default_rng(seed)
    parts = []
    for k, (length, value) in enumerate(zip(lengths, values, strict=False)):
        if isinstance(freq, int):
            ds: Any = np.arange(length) * freq + 3
        else:
            ds = pd.date_range("2019-12-30", periods=length, freq=freq, tz=tz)
        names = pd.Series([IDS[ids](k)] * length)
        columns = {"unique_id": names, "ds": ds, "y": VALUES[value](dice, length)}
        parts.append(pd.DataFrame(columns))
    table: Any = pd.concat(parts, ignore_index=True)
    for defect in defects:
        if not isinstance(table, pd.DataFrame) or not len(table):
            break
        try:
            table = DEFECTS[defect](table, dice)
        except Exception:  # this defect does not go with the one before
            continue
    return table


frames = st.builds(
    frame,
    ids=st.sampled_from([*["text"] * 4, "number", *IDS]),
    values=st.lists(st.sampled_from([*["walk"] * 24, *VALUES]), min_size=4, max_size=4),
    lengths=st.lists(st.sampled_from(LENGTHS), min_size=1, max_size=4),
    freq=st.sampled_from(FREQUENCIES),
    tz=st.sampled_from([None, None, "UTC", "Europe/Berlin", "Asia/Kathmandu"]),
    defects=st.lists(st.sampled_from([*DEFECTS]), max_size=2),
    seed=st.integers(0, 2**32 - 1),
)
settled = st.fixed_dictionaries(
    {
        "missing": st.sampled_from(["mask", "mask", "interpolate", "ffill", "raise"]),
        "on_duplicate": st.sampled_from(["raise", "first", "last", "mean"]),
        "freq": st.sampled_from([None, None, None, "h", "D", "MS", 1]),
        "val_size": st.sampled_from([None, 0, 1, 10]),
    }
)
SELDOM = ["trained", "ahead", "past", "words", "renewed", "backtest"]
whom = st.sampled_from(["rule"] * 12 + ["known"] * 3 + SELDOM)
TINY: dict[str, Any] = {
    "h": H, "backbone": "tiny", "adapter": Spec("autotimes", patch_len=4), "context_length": 12,
    "accelerator": "cpu", "random_state": 0, "verbose": 0,
}  # fmt: skip
MIX = Spec("auto", members=["theta", "drift"])  # the default, with rules that are quickly fitted


@cache
def known() -> TSLMForecaster:
    """A model that has seen one clean series, and is now given other frames."""
    ds = pd.date_range("2024-01-01", periods=60, freq="h")
    df = pd.DataFrame({"unique_id": "s0", "ds": ds, "y": np.sin(np.arange(60.0))})
    return TSLMForecaster(base=None, **TINY, max_steps=5).fit(df)


def forecast(df: Any, who: str, options: dict[str, Any], seed: int) -> pd.DataFrame:
    if who == "known":
        return known().predict(df)
    if who == "trained":
        base = MIX if seed % 2 else None
        model: Any = TSLMForecaster(base=base, **TINY, **options, max_steps=2)
        return model.fit(df).predict()
    rule = ["last", "seasonal_naive", "profile", "profile_ar", "drift"][seed % 5]
    model = BaselineForecaster(rule, h=H, **options, verbose=0)
    if who == "rule":
        return model.fit(df).predict(level=[50] if seed % 3 == 0 else None)
    if who == "renewed":
        return model.fit(df).recalibrate(df).predict(quantiles=[0.5])
    if who == "backtest":
        return ahead_of(model.cross_validation(df, n_windows=1 + seed % 2, level=[50]))
    dice = np.random.default_rng(seed)
    df = df.assign(x=VALUES[[*VALUES][seed % len(VALUES)]](dice, len(df)))
    if who == "words":
        if seed % 4 and "unique_id" in df:
            df = df.assign(x=df.unique_id.astype(str) + "{x}\n")
        spec = Spec("time_llm", patch_len=4, stride=4, n_prototypes=8, heads=2, head_width=8)
        prompted = {"adapter": spec, "prompt": "{x}, {unique_id}: {{sales}}", "max_steps": 1}
        return TSLMForecaster(**{"base": None, **TINY, **prompted}, **options).fit(df).predict()
    if who == "past":
        return model.set_params(hist_exog=["x"]).fit(df).predict()
    model.set_params(futr_exog=["x"], calendar=bool(seed % 2)).fit(df)
    futr = model.make_future_dataframe()
    return model.predict(futr_df=futr.assign(x=VALUES["walk"](np.random.default_rng(1), len(futr))))


def ahead_of(backtest: pd.DataFrame) -> pd.DataFrame:
    """The last origin of a backtest, in the form of a forecast."""
    assert np.isfinite(backtest.iloc[:, 4:].to_numpy(dtype=float)).all(), "not finite"
    last = backtest.groupby("unique_id", observed=True).cutoff.transform("max")
    return backtest[backtest.cutoff == last]


def outcome(df: Any, who: str, options: dict[str, Any], seed: int) -> str:
    """Return "forecast" or the name of the error of a frame; raise anything else."""
    if not isinstance(df, pd.DataFrame):  # where tests check types, fit would not come to say so
        with pytest.raises(DataError, match="not a pandas DataFrame"):
            select(df, Columns())
        return "DataError"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ahead = forecast(df, who, options, seed)
        except (DataError, ConfigError) as error:
            located = re.search(SAYS_WHERE, str(error))
            return f"{type(error).__name__}{'' if located else ' that says nothing'}"
    check(df.reset_index() if df.index.nlevels > 1 else df, ahead, past=who == "backtest")
    return "forecast"


def check(df: pd.DataFrame, ahead: pd.DataFrame, past: bool = False) -> None:
    """Assert finite values, the right ids and rows, and times that continue or are known."""
    if "ds" not in df:  # the column of dates is found
        df, ahead = (part.rename(columns={"Date": "ds"}) for part in (df, ahead))
    if "unique_id" not in df:  # one series, called like its values
        df = df.assign(unique_id="y")
    if "ds" not in df:  # its rows are counted
        df = df.assign(ds=df.groupby("unique_id", observed=True).cumcount())
    assert np.isfinite(ahead.iloc[:, -1].to_numpy(dtype=float)).all(), "not finite"
    sizes = ahead.groupby("unique_id", sort=False, observed=True).size()
    assert set(sizes.index) == set(df.unique_id.dropna().unique()), "other ids"
    assert (sizes == H).all(), "not h rows each"
    for _, own in ahead.groupby("unique_id", sort=False, observed=True):
        assert own.ds.is_monotonic_increasing, "times go back"
        assert own.ds.is_unique, "times come twice"
    if df.ds.dtype == ahead.ds.dtype and not past:
        last = df.groupby("unique_id", sort=False, observed=True).ds.max()
        first = ahead.groupby("unique_id", sort=False, observed=True).ds.min()
        assert (first > last.reindex(first.index)).all(), "forecasts of what is known"


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(df=frames, who=whom, options=settled, seed=st.integers(0, 99))
def test_every_frame_is_forecast_or_refused_by_name(
    df: Any, who: str, options: dict[str, Any], seed: int
) -> None:
    assert not outcome(df, who, options, seed).endswith("says nothing")


def main(count: int, seed: int = 0) -> None:
    """Run many frames, going on after failures; print how they ended."""
    ends: Counter[str] = Counter()
    shown: Counter[str] = Counter()
    began = time.monotonic()
    failures = 0

    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(df=frames, who=whom, options=settled, seed=st.integers(0, 99))
    def run(df: Any, who: str, options: dict[str, Any], seed: int) -> None:
        nonlocal failures
        done = sum(ends.values()) + failures
        if done and done % 1000 == 0:
            print(f"{done} frames, {failures} failures", flush=True)
        try:
            ends[f"{who}: {outcome(df, who, options, seed)}"] += 1
        except Exception as error:
            failures += 1
            name = f"{type(error).__name__}: {str(error)[:150]}"
            shown[name] += 1
            if shown[name] <= 2:
                print(f"FAILED {who} {options} {seed}\n{name}\n{df}\n", flush=True)
                traceback.print_exc(limit=-4)

    seeded(seed)(run)()
    total = sum(ends.values()) + failures
    for name, number in sorted(ends.items()):
        print(f"{name:<24}{number:>7}")
    print(f"{total} frames in {time.monotonic() - began:.0f} s, {failures} failures")
    for name, number in shown.most_common():
        print(f"{number:>5}  {name}")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
