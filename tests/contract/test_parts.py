"""Checks of every adapter: each file in ``conf/adapter``, with its own decoder, passes them.

A new adapter is tested here without an edit.
"""

import copy
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.frames import long_frame, random_walks
from tests.networks import network, optimizer_of, settings_of, train
from tests.rollouts import rollout as rollout_named
from tslm import TSLMForecaster
from tslm.core.config.choices import choices
from tslm.core.config.estimator_settings import configure
from tslm.core.errors import ConfigError
from tslm.core.spec import Spec
from tslm.core.types import Batch, Context
from tslm.data.datasets.benchmarks import load
from tslm.data.frame import Columns, read_frame
from tslm.data.panel import Panel
from tslm.data.windows import Windows
from tslm.estimators.training.weights import trained_state
from tslm.models.decoders.filters import FilterDecoder
from tslm.models.forecast_model import ForecastModel

HORIZON = 6
CLOSE = {"rtol": 1e-4, "atol": 1e-4}
Walks = Callable[..., Batch]


class Subject(NamedTuple):
    """A model as its yaml makes it, on two random blocks."""

    name: str
    model: ForecastModel
    context: int

    @property
    def step(self) -> int:
        return self.model.decoder.step

    def windows(self, walks: Walks, **sizes: int) -> Batch:
        """Return random walks, after preparing the adapter for their times."""
        batch = walks(context=self.context, future=self.step, **sizes)
        self.model.prepare(batch.time.flatten())
        return batch

    def forecast(self, batch: Batch, horizon: int | None = None) -> Tensor:
        return self.model.forecast(batch, horizon or 2 * self.step + 1)


def built(
    name: str, seed: int = 0, decoder: str | None = None, freeze: str | None = None
) -> Subject:
    parts = {"adapter": name, "decoder": decoder, "freeze": freeze}
    model = network(parts, rows=60, seed=seed, h=HORIZON)
    return Subject(name, model, settings_of(parts, rows=60, h=HORIZON).context_length)


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Send files that adapters cache to an empty folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TSLM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module", params=choices("adapter"))
def subject(request: pytest.FixtureRequest) -> Subject:
    """One model for all tests that leave it as it is."""
    return built(request.param)


@pytest.fixture(params=choices("adapter"))
def fresh(request: pytest.FixtureRequest) -> Subject:
    """A model of one's own, to be trained."""
    return built(request.param)


def test_frozen_weights_do_not_change(fresh: Subject, walks: Walks) -> None:
    model, batch = fresh.model, fresh.windows(walks)
    before = {name: tensor.clone() for name, tensor in model.backbone.state_dict().items()}
    words = model.backbone.lexicon.words.clone()
    model.train()
    assert model.adapter.training
    assert model.decoder.training
    assert not any(part.training for part in model.backbone.modules())
    started = trained_state(model)
    started = {name: tensor.clone() for name, tensor in started.items()}
    train(model, batch, HORIZON)
    assert before
    for name, tensor in model.backbone.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert torch.equal(model.backbone.lexicon.words, words)
    assert all(weight.grad is None for weight in model.backbone.parameters())
    moved = {n for n, w in trained_state(model).items() if not torch.equal(w, started[n])}
    assert moved >= {n for n, w in model.named_parameters() if w.requires_grad}


def test_examples_end_with_a_token_and_only_where_a_segment_can_follow(subject: Subject) -> None:
    layout, room = subject.model.adapter.layout, subject.model.example_length
    assert (room > 0) == (layout.grows and subject.model.base is None and layout.n_tokens > 2)
    assert 0 <= room < subject.context
    assert room % layout.patch_len == 0


def test_only_adapter_and_decoder_are_trained(subject: Subject) -> None:
    model = subject.model
    held = [w for group in optimizer_of(model, HORIZON).param_groups for w in group["params"]]
    owned = [*model.adapter.parameters(), *model.decoder.parameters()]
    assert len(held) == len(owned) > 0
    assert set(map(id, held)) == set(map(id, owned))
    assert not any(weight.requires_grad for weight in model.backbone.parameters())


def test_every_trained_weight_gets_a_gradient(fresh: Subject, walks: Walks) -> None:
    batch = fresh.windows(walks)
    train(fresh.model, batch, HORIZON)  # decoders that begin at zero have moved
    fresh.model.zero_grad()
    fresh.model.loss(batch).backward()
    for name, weight in fresh.model.named_parameters():
        if weight.requires_grad:
            assert weight.grad is not None, name
            assert torch.isfinite(weight.grad).all(), name
            assert (weight.grad != 0).any(), name


def test_what_is_saved_is_small_and_gives_the_same_forecasts(fresh: Subject, walks: Walks) -> None:
    batch = fresh.windows(walks)
    train(fresh.model, batch, HORIZON)
    kept = copy.deepcopy(trained_state(fresh.model))
    own = {f"adapter.{name}" for name in fresh.model.adapter.state_dict()}
    own |= {f"decoder.{name}" for name in fresh.model.decoder.state_dict()}
    if fresh.model.base is not None:
        own |= {"gate"} | {  # the shrinkage
            f"base.{name}" for name in fresh.model.base.state_dict()
        }
    assert set(kept) == own
    other = built(fresh.name, seed=1)
    other.model.prepare(batch.time.flatten())
    expected = fresh.forecast(batch)
    assert not torch.equal(other.forecast(batch), expected)
    unknown = other.model.load_state_dict(kept, strict=False).unexpected_keys
    assert not unknown
    assert torch.equal(other.forecast(batch), expected)


def test_any_horizon_can_be_forecast(subject: Subject, walks: Walks) -> None:
    step = subject.step
    batch = subject.windows(walks, windows=2, channels=3)
    for horizon in {1, max(step - 1, 1), step, step + 1, 3 * step + 7}:
        ahead = subject.forecast(batch, horizon)
        assert ahead.shape == (2, horizon, 3)
        assert torch.isfinite(ahead).all()


def test_windows_do_not_read_each_other(subject: Subject, walks: Walks) -> None:
    batch = subject.windows(walks, windows=4)
    batch.past[1, : subject.context // 2] = torch.nan
    batch.past[2, 3:5, 1] = torch.nan
    together = subject.forecast(batch)
    for i in range(4):
        alone = Batch(*(part[i : i + 1] for part in batch[:3]))
        torch.testing.assert_close(subject.forecast(alone), together[i : i + 1], **CLOSE)


def test_channels_do_not_read_each_other(subject: Subject, walks: Walks) -> None:
    batch = subject.windows(walks, channels=3)
    order = [2, 0, 1]
    ahead = subject.forecast(batch)
    moved = subject.forecast(batch._replace(past=batch.past[:, :, order]))
    torch.testing.assert_close(moved, ahead[:, :, order], **CLOSE)
    louder = batch.past * torch.tensor([1.0, 50.0, 1.0])
    changed = subject.forecast(batch._replace(past=louder))
    torch.testing.assert_close(changed[:, :, [0, 2]], ahead[:, :, [0, 2]], **CLOSE)


@settings(max_examples=20)
@given(a=st.floats(0.5, 100), b=st.floats(-100, 100), seed=st.integers(0, 1000))
def test_forecasts_have_the_units_of_the_series(
    subject: Subject, walks: Walks, a: float, b: float, seed: int
) -> None:
    batch = subject.windows(walks, seed=seed)
    spread = batch.past.std(1, keepdim=True).clamp(min=1)  # of a walk, far above any floor
    past = batch.past / batch.past.std(1, keepdim=True) * spread
    expected = a * subject.forecast(batch._replace(past=past)) + b
    ahead = subject.forecast(batch._replace(past=a * past + b))
    error = (ahead - expected).abs() / (a * spread + abs(b))
    speaks = subject.model.adapter(
        Context.fold(batch.past, batch.time[:, : subject.context])
    ).prompt
    limit = 2e-3 if speaks is None else 2e-2  # numbers in words are rounded, and may round anew
    assert float(error.max()) < limit


def test_missing_values_and_padding_give_finite_forecasts(subject: Subject, walks: Walks) -> None:
    context = subject.context
    batch = subject.windows(walks, windows=7, channels=1)
    holes = torch.zeros(7, context, dtype=torch.bool)
    holes[0, ::2] = True
    holes[1, : context // 3] = True
    holes[2, :-1] = True  # one value is all there is
    holes[3, -context // 3 :] = True  # and the last are missing
    holes[4, context // 4 : -context // 4] = True
    holes[5] = True
    past = batch.past.masked_fill(holes[:, :, None], torch.nan)
    assert torch.isfinite(subject.forecast(batch._replace(past=past))).all()
    loss = subject.model.loss(batch._replace(past=past))
    assert torch.isfinite(loss)


def test_padding_is_inert(subject: Subject, walks: Walks) -> None:
    """A series too short for the context is forecast as a shorter context would be."""
    layout = subject.model.adapter.layout
    if not layout.grows:
        pytest.skip("only an adapter whose tokens may be few or many has a shorter context")
    model = subject.model
    # a sliding window drops the oldest segments, padding first
    model.use(rollout_named("cached", model.backbone, model.adapter))
    batch = subject.windows(walks)
    for n_segments in range(1, layout.n_tokens):
        cut = subject.context - n_segments * layout.patch_len
        short = Batch(batch.past[:, -cut:], batch.future, batch.time[:, subject.context - cut :])
        padded = batch.past.clone()
        padded[:, :-cut] = torch.nan
        ahead = subject.forecast(batch._replace(past=padded))
        torch.testing.assert_close(ahead, subject.forecast(short), **CLOSE)


@pytest.mark.parametrize("freeze", [name for name in choices("freeze") if name != "strict"])
@pytest.mark.parametrize("name", choices("adapter"))
def test_unfrozen_weights_of_the_backbone_are_trained(name: str, freeze: str, walks: Walks) -> None:
    subject = built(name, freeze=freeze)
    train(subject.model, subject.windows(walks), HORIZON)  # heads that begin at zero have moved
    subject.model.zero_grad()
    subject.model.loss(subject.windows(walks)).backward()
    thawed = {n: w for n, w in subject.model.backbone.named_parameters() if w.requires_grad}
    assert thawed
    still = [n for n, w in thawed.items() if w.grad is None or not torch.isfinite(w.grad).all()]
    assert not still
    assert any(w.grad.abs().sum() > 0 for w in thawed.values() if w.grad is not None)


@pytest.mark.parametrize("level", [0.0, 5.0, -1e4])
def test_constant_windows_stay_near_their_level(
    subject: Subject, walks: Walks, level: float
) -> None:
    batch = subject.windows(walks)
    ahead = subject.forecast(batch._replace(past=torch.full_like(batch.past, level)), 4 * HORIZON)
    assert torch.isfinite(ahead).all()
    assert float((ahead - level).abs().max()) < 1  # an ordinary spread is 1


def test_missing_targets_do_not_count(fresh: Subject, walks: Walks) -> None:
    model, batch = fresh.model, fresh.windows(walks)
    batch.past[0, : fresh.context // 2] = torch.nan
    batch.past[1, 2::3] = torch.nan
    batch.future[1:, ::2] = torch.nan
    values, covered, aux_loss, *_ = model(batch.past, batch.time[:, : fresh.context])
    series = torch.cat([batch.past, batch.future], 1)
    stop = fresh.context + fresh.step
    truth = series[:, stop - values.shape[1] : stop].masked_fill(~covered, torch.nan)
    expected = (values - truth).square().nanmean() + (0 if aux_loss is None else aux_loss)
    torch.testing.assert_close(model.loss(batch), expected, **CLOSE)


def test_a_batch_of_nothing_has_a_finite_loss(fresh: Subject, walks: Walks) -> None:
    batch = fresh.windows(walks)
    past, future = batch.past * torch.nan, batch.future * torch.nan
    loss = fresh.model.loss(batch._replace(past=past, future=future))
    assert torch.isfinite(loss)
    loss.backward()
    for weight in fresh.model.parameters():
        assert weight.grad is None or torch.isfinite(weight.grad).all()


def test_the_future_never_changes_a_forecast(subject: Subject) -> None:
    """Not through the window, nor through the statistics of its series, nor through time."""
    rows, cut = subject.context + 40, subject.context + 20
    dice = np.random.default_rng(0)
    y = dice.standard_normal(rows).cumsum()
    times = pd.date_range("2024-01-01", periods=rows, freq="h")
    ahead = []
    for tail in (y[cut:], 1000 - 50 * y[cut:]):
        values = np.concatenate([y[:cut], tail])
        table = pd.DataFrame({"unique_id": "a", "ds": times, "y": values})
        frame = read_frame(table, columns=Columns(), freq="h")
        panel = Panel.from_frame(frame, until=np.array([cut]))
        windows = Windows(
            panel,
            context_length=subject.context,
            future_length=HORIZON,
            start=np.array([cut]),
        )
        batch = windows.cut(torch.arange(1))
        subject.model.prepare(batch.time.flatten())
        ahead.append(subject.forecast(batch, HORIZON))
    assert torch.equal(*ahead)


def test_further_times_do_not_matter(subject: Subject, walks: Walks) -> None:
    batch = subject.windows(walks)
    enough = batch.time[:, : subject.context + HORIZON]
    ahead = subject.forecast(batch._replace(time=enough), HORIZON)
    assert torch.equal(subject.forecast(batch, HORIZON), ahead)


@pytest.mark.filterwarnings("ignore:On .* validation windows")
@pytest.mark.parametrize("name", choices("adapter"))
def test_an_unseen_panel_is_forecast_in_its_own_units(name: str) -> None:
    model = TSLMForecaster(
        base=None,
        h=HORIZON,
        adapter=name,
        backbone="tiny",
        max_steps=3,
        accelerator="cpu",
        random_state=0,
        verbose=0,
    ).fit(random_walks(160, "ab", level=0, freq="h"))
    other = random_walks(90, "xyz", level=0, seed=1, freq="h")
    ahead = model.predict(other)
    assert ahead.unique_id.tolist() == [i for i in "xyz" for _ in range(HORIZON)]
    assert ahead.ds.iloc[0] == pd.Timestamp("2024-01-01") + pd.Timedelta(hours=90)
    gap = ahead.groupby("unique_id")[model.name].mean() - other.groupby("unique_id").y.last()
    assert (gap.abs() < 5 * other.groupby("unique_id").y.std()).all()
    higher = model.predict(other.assign(y=other.y + 1e6))
    np.testing.assert_allclose(
        higher[model.name] - 1e6, ahead[model.name], atol=2e-2 * other.y.std()
    )


@pytest.mark.parametrize("name", choices("adapter"))
def test_an_unknown_option_names_the_right_ones(name: str) -> None:
    known = configure({"adapter": name}, {}).adapter
    with pytest.raises(ConfigError, match="has no option 'colour'") as caught:
        configure({"adapter": Spec(name, colour="red")}, {})
    assert known
    for option in known:
        assert str(option) in str(caught.value) or option == "_target_"


@pytest.fixture(
    params=[distribution for distribution in choices("distribution") if distribution != "point"]
)
def unsure(request: pytest.FixtureRequest, fresh: Subject) -> Subject:
    """Return the adapter with its own decoder and a distribution of each value."""
    if isinstance(fresh.model.decoder, FilterDecoder) and request.param != "mixture":
        with pytest.raises(ConfigError, match="decoder=mixture"):
            built(fresh.name, decoder=request.param)
        pytest.skip("a mixture of filters has no other distribution")
    return built(fresh.name, decoder=request.param)


def test_a_distribution_trains_every_weight_and_has_ordered_quantiles(
    unsure: Subject, walks: Walks
) -> None:
    model, batch = unsure.model, unsure.windows(walks)
    train(model, batch, HORIZON)
    model.zero_grad()
    loss = model.loss(batch)
    loss.backward()
    assert torch.isfinite(loss)
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            assert weight.grad is not None, name
            assert torch.isfinite(weight.grad).all(), name
            assert (weight.grad != 0).any(), name
    model.eval()
    found = model.distribution(batch, HORIZON)
    levels = torch.tensor([0.01, 0.3, 0.5, 0.7, 0.99], dtype=torch.float64)
    values = found.quantile(levels)
    assert values.shape == (5, 3, HORIZON, 2)
    assert (values.diff(dim=0) > 0).all()
    torch.testing.assert_close(found.point, unsure.forecast(batch, HORIZON), **CLOSE)


def test_a_distribution_is_rolled_out_beyond_one_pass(unsure: Subject, walks: Walks) -> None:
    model, batch, step = unsure.model, unsure.windows(walks), unsure.step
    low, high = (
        model.paths(batch, torch.full((3, 2 * step, 2), level, dtype=torch.float64))
        for level in (0.2, 0.8)
    )
    first = model.distribution(batch, step)
    torch.testing.assert_close(
        low[:, :step], first.at(torch.full((3, step, 2), 0.2, dtype=torch.float64)), **CLOSE
    )
    assert (low[:, :step] < high[:, :step]).all()
    assert torch.isfinite(high).all()
    assert not torch.allclose(low[:, step:], high[:, step:])


def test_missing_targets_do_not_count_in_the_loss_of_a_distribution(
    unsure: Subject, walks: Walks
) -> None:
    model, batch = unsure.model, unsure.windows(walks)
    batch.past[0, : unsure.context // 2] = torch.nan
    batch.future[1:, ::2] = torch.nan
    _, covered, aux_loss, distribution, _ = model(batch.past, batch.time[:, : unsure.context])
    series = torch.cat([batch.past, batch.future], 1)
    stop = unsure.context + unsure.step
    truth = series[:, stop - covered.shape[1] : stop]
    counted = covered & ~torch.isnan(truth)
    expected = distribution.loss(torch.nan_to_num(truth))[counted].mean()
    expected = expected + (0 if aux_loss is None else aux_loss)
    torch.testing.assert_close(model.loss(batch), expected, **CLOSE)


DAY = 24  # steps, and the horizon
READ = 4 * DAY  # of one window
CUTS = range(2000, 2000 + 16 * DAY, DAY)  # rows of the load from which a day is forecast


def estimator(name: str, **options: Any) -> TSLMForecaster:
    usual: dict[str, Any] = {"h": DAY, "backbone": "tiny", "context_length": READ, "verbose": 0}
    usual |= {"max_steps": 80, "batch_size": 16, "val_size": DAY, "accelerator": "cpu"}
    usual["base"] = None
    return TSLMForecaster(adapter=name, random_state=0, **usual | options)


@cache
def hourly_load() -> pd.DataFrame:
    """The load with the clearest day of ETTh1."""
    frame = load("etth1").frame
    return frame[frame.unique_id == "HUFL"].reset_index(drop=True)


def series(**values: Any) -> pd.DataFrame:
    """Return hourly series of these values, by their ids."""
    return long_frame(values, freq="h")


def ahead_of(model: TSLMForecaster, df: pd.DataFrame) -> np.ndarray:
    """Forecasts, one row a series in the order of the frame."""
    found = model.predict(df).groupby("unique_id", sort=False)[model.name].agg(list)
    return np.stack([np.array(found[name]) for name in df.unique_id.unique()])


@pytest.fixture(scope="module", params=choices("adapter"))
def trained(request: pytest.FixtureRequest) -> TSLMForecaster:
    """A model that has learnt a little of a real load with a day and a week."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it need not be good
        return estimator(request.param).fit(hourly_load()[:1600])


def test_missing_a_fifth_of_the_context_changes_a_forecast_little(trained: TSLMForecaster) -> None:
    """By less than 0.3 of the spread of the series, and its error grows by less than a tenth."""
    y, dice = hourly_load().y.to_numpy(), np.random.default_rng(0)
    known = {f"w{end}": y[end - 14 * DAY : end] for end in CUTS}
    holed = {name: np.where(dice.random(len(v)) < 0.2, np.nan, v) for name, v in known.items()}
    whole = ahead_of(trained, series(**known))
    with pytest.warns(UserWarning, match="The frame lacks") as caught:
        ahead = ahead_of(trained, series(**holed))
    assert len([warning for warning in caught if "The frame lacks" in str(warning.message)]) == 1
    spread = np.array([values.std() for values in known.values()])[:, None]
    truth = np.stack([y[end : end + DAY] for end in CUTS])
    moved, error, before = (
        float((abs(gap) / spread).mean()) for gap in (ahead - whole, ahead - truth, whole - truth)
    )
    assert 0 < moved < 0.3
    assert error < 1.1 * before


@pytest.mark.parametrize("name", choices("adapter"))
def test_hard_series_are_learnt_from_and_their_gaps_counted(name: str) -> None:
    """Gaps, no spread at all, zeros, few values, any magnitude: all in one fit."""
    dice, rows = np.random.default_rng(0), 8 * DAY
    wave = np.sin(np.arange(rows) * 2 * np.pi / DAY) + 0.1 * dice.normal(size=rows)
    df = series(
        counts=dice.poisson(0.3, rows),
        flat=np.full(rows, 7.0),
        holed=np.where(dice.random(rows) < 0.2, np.nan, wave),
        large=1e12 * wave,
        one=[3.0],
        short=wave[:5],
        small=1e-8 * wave,
        zero=np.zeros(rows),
    )
    absent = int(df.y.isna().sum())
    df = df[(df.unique_id != "zero") | (np.arange(len(df)) % 10 != 5)]  # rows left out
    df = pd.concat([df, series(zero=np.zeros(rows))[-1:]]).drop_duplicates(["unique_id", "ds"])
    gaps = 8 * rows - 2 * rows + 6 - len(df)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = estimator(name, max_steps=2).fit(df)
    assert (model.report_.missing, model.report_.gaps) == (absent, gaps)
    assert model.report_.worst.keys() == {"holed", "zero"}
    (lacks,) = [str(entry.message) for entry in caught if "lacks" in str(entry.message)]
    assert f"{gaps} rows between" in lacks
    assert f"a value in {absent} rows" in lacks
    assert "series 'holed', 'zero'" in lacks
    ahead = model.predict()
    assert np.isfinite(ahead[model.name]).all()
    means = ahead.groupby("unique_id")[model.name].apply(lambda y: abs(y).max())
    assert means["small"] < 1e-6
    assert 1e9 < means["large"] < 1e14
    assert (means[["flat", "zero", "counts"]] < 100).all()


@pytest.mark.parametrize("length", [1, 2, 5, DAY - 1])
def test_series_shorter_than_a_segment_are_forecast(trained: TSLMForecaster, length: int) -> None:
    y = hourly_load().y.to_numpy()[-2 * READ :]
    df = series(long=y, short=y[-length:])
    ahead = ahead_of(trained, df)
    assert np.isfinite(ahead).all()
    assert abs(ahead[1] - y.mean()).max() < 10 * y.std()
    alone = ahead_of(trained, df[df.unique_id == "short"])
    np.testing.assert_allclose(alone[0], ahead[1], rtol=1e-4, atol=1e-4 * y.std())


@pytest.mark.parametrize("level", [0.0, 1e-8, -7.0, 1e12])
def test_series_without_any_spread_stay_near_their_level(
    trained: TSLMForecaster, level: float
) -> None:
    (ahead,) = ahead_of(trained, series(flat=np.full(READ, level)))
    assert abs(ahead - level).max() < max(abs(level), level == 0)


@pytest.mark.parametrize(
    ("a", "b"), [(1e-8, 0.0), (1e-8, 5.0), (1e-4, -3.0), (1e4, 1e9), (1e12, -3e12), (1e12, 0.0)]
)
def test_series_of_any_magnitude_are_forecast_in_their_units(
    trained: TSLMForecaster, a: float, b: float
) -> None:
    y = hourly_load().y.to_numpy()[-2 * READ :]
    y = (y - y.mean()) / y.std()
    plain, moved = ahead_of(trained, series(plain=y, moved=a * y + b))
    np.testing.assert_allclose((moved - b) / a, plain, rtol=0, atol=0.01)


def test_counts_and_zeros_are_forecast(trained: TSLMForecaster) -> None:
    dice, rows = np.random.default_rng(0), 2 * READ
    once = np.where(np.arange(rows) == rows - 3, 1.0, 0.0)
    early = np.where(np.arange(rows) == 3, 1.0, 0.0)  # and only zeros in what is read
    df = series(early=early, once=once, rare=dice.poisson(0.05, rows), often=dice.poisson(2, rows))
    ahead = ahead_of(trained, df)
    assert np.isfinite(ahead).all()
    assert abs(ahead).max() < 20
