"""In-context forecasting: which rows stand in front of a context, and which never do."""

import warnings
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.base import clone
from torch.utils._python_dispatch import TorchDispatchMode

from tests.frames import long_frame
from tslm import BaselineForecaster, ConfigError, DataError, Spec, TSLMForecaster
from tslm.core.calendar import Calendar
from tslm.core.types import Batch
from tslm.data import examples
from tslm.data.batches import final_contexts
from tslm.data.datasets.competitions import Competition
from tslm.data.examples import Examples
from tslm.data.frame import Columns, read_frame
from tslm.data.panel import Panel

F = 4
CONTEXT, ROOM = 3 * F, 2 * F

pytestmark = pytest.mark.filterwarnings(
    "ignore:On .* validation windows", "ignore:The validation rows are"
)


def frame(lengths: dict[str, int], seed: int = 0) -> pd.DataFrame:
    dice = np.random.default_rng(seed)
    return long_frame({i: dice.normal(5, 2, n).cumsum() for i, n in lengths.items()}, freq=1)


def panel(df: pd.DataFrame) -> Panel:
    return Panel.from_frame(read_frame(df, Columns(), freq=1))


class Operations(TorchDispatchMode):
    """Counts the operations of torch."""

    count = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self.count += 1
        return function(*args, **(kwargs or {}))


def series(of: Panel, number: int) -> torch.Tensor:
    return of.values[of.offsets[number] : of.offsets[number + 1]]


@pytest.fixture(scope="module")
def model() -> TSLMForecaster:
    made = TSLMForecaster(
        base=None,
        h=F,
        adapter=Spec("autotimes", patch_len=F),
        backbone="tiny",
        context_length=CONTEXT,
        max_steps=20,
        accelerator="cpu",
        random_state=0,
        verbose=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the verdict
        return made.fit(frame({"x": 80, "y": 60}))


def test_the_first_two_segments_are_put_before_the_last_one(model: TSLMForecaster) -> None:
    df = frame({"a": 3 * F + 1, "b": 50})
    shown = model.predict(df, examples="first")
    own = model.panel_reader.read(df)
    time = torch.arange(4 * F)[None]  # of no meaning to this model
    for number, name in enumerate(own.ids):
        values = series(own, number)
        past = torch.cat([values[: 2 * F], values[-F:]])  # the first 2 F and the last F points
        ahead = model.forecaster_.forecast(Batch.of(past[None, :, None], time), F)[:, :, 0]
        expected = own.restore(ahead, np.array([number]))[0]
        assert_allclose(shown.AutoTimes[shown.unique_id == name], expected, rtol=1e-5)
    assert shown.ds.tolist() == [*range(3 * F + 1, 4 * F + 1), *range(50, 50 + F)]
    assert not np.allclose(shown.AutoTimes, model.predict(df).AutoTimes, rtol=1e-3)


def test_examples_have_their_own_times() -> None:
    own = panel(frame({"a": 20, "b": 30}))
    batch = final_contexts(own, Calendar("1", dated=False), context_length=CONTEXT, horizon=F)
    shown = Examples.first(own, ROOM, CONTEXT).before(batch, torch.arange(2))
    assert shown.time[1].tolist() == [*range(ROOM), *range(30 - F, 30 + F)]
    assert torch.equal(shown.past[1, :ROOM, 0], series(own, 1)[:ROOM])
    assert torch.equal(shown.past[:, ROOM:], batch.past[:, ROOM:])


@pytest.mark.parametrize("source", ["first", "similar"])
def test_a_series_of_four_segments_with_its_target_is_too_short(
    model: TSLMForecaster, source: str
) -> None:
    df = frame({"fits": 3 * F + 1, "short": 3 * F})
    with pytest.raises(DataError, match="need more than 12 rows; too short: 'short'"):
        model.predict(df, examples=source)


def test_a_backtest_shows_examples_to_the_model_alone(model: TSLMForecaster) -> None:
    df = frame({"x": 80, "y": 60})
    options: dict[str, Any] = {"n_windows": 2, "baselines": ["last"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the verdict
        shown, plain = (
            model.cross_validation(df, examples=source, **options) for source in ("similar", None)
        )
        known = df[df.groupby("unique_id").cumcount(ascending=False) >= 2 * F]
        first = clone(model).fit(known).predict(known, examples="similar")
    assert_allclose(shown["last"], plain["last"])
    assert not np.allclose(shown.AutoTimes, plain.AutoTimes, rtol=1e-4)
    origin = shown.cutoff == shown.groupby("unique_id").cutoff.transform("min")
    assert_allclose(shown[origin].AutoTimes, first.AutoTimes, rtol=1e-5)
    with pytest.raises(ConfigError, match="are not calibrated"):
        model.cross_validation(df, examples="first", level=[80])


def test_the_experiment_leaves_out_series_of_four_segments() -> None:
    known = {name: np.arange(float(n)) for name, n in (("in", 3 * F + 1), ("out", 3 * F))}
    kept = Competition("M", known, dict.fromkeys(known, np.zeros(F)), 1, F).longer_than(4 * F)
    assert list(kept.known) == list(kept.truth) == ["in"]
    assert kept.frame.unique_id.unique().tolist() == ["in"]


@given(seed=st.integers(0, 10_000), length=st.integers(CONTEXT + 1, 60))
def test_the_similar_stretch_is_the_nearest_before_the_context(seed: int, length: int) -> None:
    own = panel(frame({"a": length, "b": 40}, seed))
    found = Examples.similar(own, ROOM, CONTEXT)
    values = series(own, 0).double()
    recent = values[-F:]

    def shape(part: torch.Tensor) -> torch.Tensor:
        return (part - part.mean()) / part.std(correction=0).clamp(min=0.1)

    starts = range(length - F - ROOM + 1)
    gaps = [float((shape(values[s : s + F]) - shape(recent)).norm()) for s in starts]
    start = int(found.time[0, 0])
    assert start + ROOM <= length - F
    assert found.time[0].tolist() == list(range(start, start + ROOM))
    assert gaps[start] <= min(gaps) + 1e-3
    begun = found.values[0, :F].double()  # at the level, and with the spread, of the context
    spread = recent.std(correction=0).clamp(min=0.1)
    ratio = spread / values[start : start + F].std(correction=0).clamp(min=0.1)
    assert_allclose(begun.mean(), recent.mean(), atol=1e-4)
    level = values[start : start + F].mean()
    expected = (values[start : start + ROOM] - level) * ratio + recent.mean()
    assert_allclose(found.values[0], expected, atol=1e-3)


@given(seed=st.integers(0, 10_000), cut=st.integers(CONTEXT + 1, 50))
def test_no_example_is_of_the_context_or_of_what_follows(seed: int, cut: int) -> None:
    df = frame({"a": 60, "b": 60}, seed)
    later = df.assign(y=df.y.where(df.ds < cut - F, 1e3 * df.y + 7))
    query = panel(df[df.ds < cut])
    for library in (df, later):  # a library that holds the target, as it is and altered
        found = Examples.given(query, panel(library[library.unique_id == "a"]), ROOM, CONTEXT)
        assert found.time[0].max() < cut - F
    own = Examples.similar(query, ROOM, CONTEXT)
    assert own.time.max() < cut - F


def walked(query: Panel, library: Panel) -> list[int]:
    """The nearest allowed stretch of each context, one pair after another."""

    def shape(part: torch.Tensor) -> torch.Tensor:
        part = part - part.mean()
        return part / part.square().mean().sqrt().clamp(min=0.1)

    rows = []
    for number, name in enumerate(query.ids):
        recent = series(query, number)[-F:]
        begin = int(query.time[query.offsets[number + 1] - F])
        gaps = {
            row: float((shape(library.values[row : row + F]) - shape(recent)).norm())
            for other, (start, stop) in enumerate(pairwise(library.offsets.tolist()))
            for row in range(start, stop - ROOM + 1)
            if library.ids[other] != name or library.time[row + ROOM - 1] < begin
        }
        rows.append(min(gaps, key=gaps.__getitem__))
    return rows


def test_a_library_is_searched_like_a_loop_over_all_stretches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    query = panel(frame({"a": 30, "b": 17, "c": 25}))
    library = panel(frame({"a": 60, "x": 9, "short": 3, "c": 40, "y": 23}, seed=1))
    begun = library.time[torch.tensor(walked(query, library))[:, None] + torch.arange(ROOM)]
    for stretches, queries in ((1000, 1000), (7, 2)):  # the chunks change nothing
        monkeypatch.setattr(examples, "STRETCHES", stretches)
        monkeypatch.setattr(examples, "QUERIES", queries)
        assert torch.equal(Examples.given(query, library, ROOM, CONTEXT).time, begun)


@pytest.mark.parametrize("source", ["similar", "given"])
def test_a_search_takes_as_many_operations_for_many_series_as_for_few(source: str) -> None:
    counts = []
    for many in (3, 60):
        query = panel(frame({f"{i:02d}": 30 for i in range(many)}))
        with Operations() as operations:
            if source == "given":
                Examples.given(query, query, ROOM, CONTEXT)
            else:
                Examples.similar(query, ROOM, CONTEXT)
        counts.append(operations.count)
    assert counts[0] == counts[1]


def test_a_given_stretch_is_scaled_to_the_context_and_shown(model: TSLMForecaster) -> None:
    df, given_one = frame({"a": 30, "b": 40}), frame({"other": ROOM}, seed=1)
    shown = model.predict(df, examples=given_one)
    large = model.predict(df, examples=given_one.assign(y=1e6 * given_one.y - 3e5))
    assert_allclose(shown.AutoTimes, large.AutoTimes, rtol=1e-4)
    moved = given_one.assign(y=given_one.y.where(given_one.ds != ROOM - 1, 0))
    assert not np.allclose(shown.AutoTimes, model.predict(df, examples=moved).AutoTimes, rtol=1e-4)
    kept = model.predict(examples=given_one)
    assert kept.unique_id.unique().tolist() == ["x", "y"]


def test_given_series_without_a_stretch_are_refused(model: TSLMForecaster) -> None:
    df = frame({"a": 40, "b": 40})
    with pytest.raises(DataError, match=r"no 8 consecutive rows for series 'a', 'b'"):
        model.predict(df, examples=frame({"other": ROOM - 1}))
    with pytest.raises(DataError, match="rows for series 'a'; rows of the same id"):
        model.predict(df, examples=df[(df.unique_id == "a") & (df.ds > 40 - F - ROOM)])


@pytest.mark.parametrize("source", ["first", "similar", "given"])
def test_forecasts_with_examples_do_not_depend_on_neighbours(
    model: TSLMForecaster, source: str
) -> None:
    df = frame({"a": 30, "b": 45, "c": 61})
    examples: Any = frame({"p": 50, "q": 20}, seed=2) if source == "given" else source
    together = model.predict(df, examples=examples).set_index("unique_id").AutoTimes
    for name, part in df.groupby("unique_id"):
        alone = model.predict(part, examples=examples).AutoTimes
        assert_allclose(alone, together[name], rtol=1e-5)


@pytest.mark.filterwarnings("ignore:The frame lacks")
def test_missing_values_and_constant_series_have_examples_too(model: TSLMForecaster) -> None:
    df = frame({"a": 30, "flat": 30})
    df.loc[df.unique_id == "flat", "y"] = 3.0
    df.loc[[2, 3, 27], "y"] = np.nan
    for source in ("first", "similar", frame({"other": 40}, seed=3)):
        ahead = model.predict(df, examples=source)
        assert np.isfinite(ahead.AutoTimes).all()
        assert_allclose(ahead.AutoTimes[ahead.unique_id == "flat"], 3.0, atol=2.0)


def test_any_horizon_rolls_on(model: TSLMForecaster) -> None:
    df = frame({"a": 30})
    far = model.predict(df, h=3 * F + 1, examples="similar").AutoTimes
    assert len(far) == 3 * F + 1
    assert_allclose(far[:F], model.predict(df, examples="similar").AutoTimes, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"examples": "last"}, "examples='last' is unknown. Choose one of first, similar"),
        ({"examples": "first", "num_samples": 3}, "cannot be given with examples"),
    ],
)
def test_impossible_examples_are_refused(
    model: TSLMForecaster, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        model.predict(frame({"a": 30}), **options)


def test_without_a_frame_there_are_no_first_rows(model: TSLMForecaster) -> None:
    with pytest.raises(ConfigError, match=r"the model holds only its last 12 rows. Pass df"):
        model.predict(examples="first")


@pytest.mark.parametrize(
    "maker",
    [
        lambda fixed: BaselineForecaster("seasonal_naive", **fixed),
        lambda fixed: TSLMForecaster(base=None, adapter="time_llm", backbone="tiny", **fixed),
        lambda fixed: TSLMForecaster(adapter="autotimes", backbone="tiny", base="profile", **fixed),
        lambda fixed: TSLMForecaster(
            base=None,
            adapter=Spec("autotimes", patch_len=F),
            backbone="tiny",
            context_length=2 * F,
            **fixed,
        ),
    ],
    ids=["baseline", "time_llm", "base", "two segments"],
)
def test_adapters_that_read_a_context_as_one_stretch_refuse_examples(maker: Any) -> None:
    fixed = {"h": F, "max_steps": 1, "verbose": 0, "accelerator": "cpu"}
    df = frame({"a": 60})
    with pytest.raises(ConfigError, match="reads a context as one stretch"):
        maker(fixed).fit(df).predict(df, examples="first")
