"""What a mix promises: weights, quantiles, short series, and independence of neighbours."""

import copy
import pickle
from typing import Any

import pytest
import torch
from einops import rearrange
from torch import Tensor

from tslm.core.config.estimator_settings import configure
from tslm.core.errors import ConfigError
from tslm.core.forecaster import Forecaster
from tslm.core.types import Batch, Facts, Task
from tslm.models.assembly import assemble, settle
from tslm.models.mix import forecaster as mixing
from tslm.models.mix.forecaster import Mix
from tslm.models.mix.members import LEVELS, MEDIAN, quantiles_of
from tslm.models.mix.weights import weighted_mean, weighted_median

H, L = 4, 48
RULES = ["seasonal_naive", "drift", "profile_ar"]
CLOSE = {"rtol": 1e-4, "atol": 1e-4}


def mix(trained: bool = False, members: list[str] = RULES, **options: object) -> Mix:
    task = Task(24, H, 4)
    model = None
    if trained:
        cfg = configure({"decoder": "quantile"}, {"backbone": "tiny", "h": H})
        cfg = settle(cfg, Facts(H, 4, 60))
        cfg.context_length = 24
        torch.manual_seed(0)
        model = assemble(cfg, task).eval()
    return Mix(task=task, trained=model, members=members, adapter=trained, reach=L, **options)


def lines(windows: int = 6, noise: float = 0.1, context: int = L) -> Batch:
    """Series that rise steadily: the drift knows them, the seasonal naive forecast does not."""
    dice = torch.Generator().manual_seed(0)
    slope = torch.rand(windows, 1, 1, generator=dice) + 0.5
    values = slope * torch.arange(float(context + 2 * H))[:, None]
    values = values + noise * torch.randn(values.shape, generator=dice)
    time = torch.arange(context + 2 * H).expand(windows, -1)
    return Batch(values[:, :context], values[:, context : context + H], time)


def quantiles(model: Mix, batch: Batch, horizon: int = H) -> Tensor:
    return model.distribution(batch, horizon).quantile(torch.tensor([0.1, 0.5, 0.9]))


@pytest.mark.parametrize("combine", ["mean", "median"])
@pytest.mark.parametrize("trained", [False, True])
def test_quantiles_are_ordered_about_the_point_at_any_horizon(combine: str, trained: bool) -> None:
    model = mix(trained, combine=combine)
    for horizon in (1, H, 2 * H):
        low, middle, high = quantiles(model, lines(), horizon)
        assert bool((low <= middle).all())
        assert bool((middle <= high).all())
        torch.testing.assert_close(middle, model.forecast(lines(), horizon))


def test_weights_are_equal_without_validation_windows() -> None:
    model = mix()
    model.calibrate([])
    torch.testing.assert_close(model.weights, torch.full((3,), 1 / 3))
    torch.testing.assert_close(model.widths, torch.ones(3))
    assert [round(c.weight, 4) for c in model.contributions] == [0.3333] * 3


def test_a_member_that_errs_more_has_less_weight_and_the_rest_is_better_without_it() -> None:
    model = mix()
    model.calibrate([lines()])
    naive, drift, _ = model.weights.tolist()
    assert float(model.weights.sum()) == pytest.approx(1)
    assert naive < drift
    report = {one.member: one for one in model.contributions}
    assert list(report) == ["SeasonalNaive", "Drift", "ProfileAR"]
    assert report["SeasonalNaive"].alone > report["Drift"].alone
    assert report["Drift"].without > report["SeasonalNaive"].without


def test_weights_of_many_windows_fall_steeply_with_the_loss() -> None:
    """By the inverse square the worse of two members would have a weight of about .4."""
    model = mix(members=["drift", "profile_ar"], origins=0)
    model.calibrate([lines(400, noise=4.0)])
    losses = sorted(one.alone for one in model.contributions)
    assert 1.1 < losses[1] / losses[0] < 1.25
    assert 0 < float(model.weights.min()) < 0.2


def test_weights_of_a_window_follow_its_own_past() -> None:
    """Validation saw lines only; a window that repeats its season needs the seasonal rule."""
    model = mix()
    model.calibrate([lines()])
    season = torch.tensor([5.0, -5.0, 1.0, 0.0]).repeat(L // 4 + 2)[None, :, None]
    batch = Batch(season[:, :L], season[:, L : L + H], torch.arange(L + 2 * H)[None])
    weights = model.window_weights(batch)[:, 0, 0]
    assert float(weights.sum()) == pytest.approx(1)
    assert float(weights[0]) > float(model.weights[0])
    assert float(weights[1]) < float(model.weights[1])


def test_without_origins_all_windows_have_the_weights_of_the_panel() -> None:
    model = mix(origins=0)
    model.calibrate([lines()])
    weights = model.window_weights(lines())
    torch.testing.assert_close(weights, model.weights[:, None, None].expand_as(weights))


def test_a_change_of_units_goes_through() -> None:
    model, batch = mix(), lines()
    turned = batch._replace(past=3 * batch.past + 7)
    expected = 3 * quantiles(model, batch) + 7
    torch.testing.assert_close(quantiles(model, turned), expected, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("trained", [False, True])
def test_neighbours_in_the_batch_do_not_matter(trained: bool) -> None:
    model, batch = mix(trained), lines()
    past = batch.past.clone()
    past[1, :30] = torch.nan
    batch = batch._replace(past=past)
    together = quantiles(model, batch)
    for number in range(len(past)):
        one = Batch(*(part[number : number + 1] for part in batch[:3]))
        torch.testing.assert_close(quantiles(model, one), together[:, number : number + 1], **CLOSE)


@pytest.mark.parametrize("known", [0, 1, 2, 8])
def test_a_short_context_has_a_finite_forecast_with_a_width(known: int) -> None:
    batch = lines()
    past = batch.past.clone()
    past[:, : L - known] = torch.nan
    low, middle, high = quantiles(mix(trained=True), batch._replace(past=past))
    assert bool(torch.isfinite(middle).all())
    assert bool((high > low).all())


def test_a_trained_member_reads_its_own_context_and_has_the_loss() -> None:
    model, batch = mix(trained=True), lines()
    assert model.learner is model.trained
    assert model.step == H
    assert torch.isfinite(model.loss(batch))
    far = batch.past.clone()
    far[:, : L - 24] += 100
    assert model.trained is not None
    own = model.members(batch, H)[-1]
    torch.testing.assert_close(model.members(batch._replace(past=far), H)[-1], own, **CLOSE)


def test_later_steps_never_change_a_forecast() -> None:
    model, batch = mix(trained=True), lines()
    loud = batch._replace(future=1e6 * batch.future)
    torch.testing.assert_close(quantiles(model, loud), quantiles(model, batch), rtol=0, atol=0)


def test_copies_and_pickles_forecast_the_same_and_remember_nothing() -> None:
    model, batch = mix(trained=True), lines()
    expected = quantiles(model, batch)
    assert model.memory.found
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert not twin.memory.found
        torch.testing.assert_close(quantiles(twin, batch), expected)


def test_each_window_is_forecast_once_by_each_member(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch, calls = mix(), lines(), []

    def counted(member: Forecaster, *words: Any) -> Any:
        calls.append(type(member).__name__)
        return quantiles_of(member, *words)

    monkeypatch.setattr(mixing, "quantiles_of", counted)
    model.forecast(batch, H)
    model.distribution(batch, H)
    assert calls == 2 * ["SeasonalNaive", "Drift", "ProfileAR"]  # the window, an origin inside it


@pytest.mark.parametrize("combine", ["mean", "median"])
def test_a_member_without_weight_is_not_computed_and_the_forecast_is_the_same(
    combine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A weighted median also reads the values of members without weight."""
    model, batch, calls = mix(combine=combine), lines(), []
    model.weights.copy_(torch.tensor([0.0, 0.4, 0.6]))
    join = weighted_mean if combine == "mean" else weighted_median
    weights = rearrange(model.window_weights(batch), "M B C -> M 1 B 1 C")
    values = join(model.members(batch, H), weights).sort(0).values
    expected = values[LEVELS.index(0.5)]
    model.memory.found.clear()

    def counted(member: Forecaster, *words: Any) -> Any:
        calls.append(type(member).__name__)
        return quantiles_of(member, *words)

    monkeypatch.setattr(mixing, "quantiles_of", counted)
    torch.testing.assert_close(model.forecast(batch, H), expected)
    assert ("SeasonalNaive" in calls) == (combine == "median")


def test_a_changed_weight_changes_the_next_forecast_of_the_same_windows() -> None:
    model, batch = mix(trained=True), lines()
    assert model.trained is not None
    before = quantiles(model, batch)
    with torch.no_grad():
        for weight in model.trained.decoder.parameters():
            weight.add_(1.0)
    assert not torch.equal(quantiles(model, batch), before)


@pytest.mark.parametrize("members", [[], ["drift", "drift"], ["dlinear"]])
def test_members_that_cannot_be_mixed_are_refused(members: list[str]) -> None:
    with pytest.raises(ConfigError, match="members="):
        mix(members=members)


def test_an_unknown_way_to_combine_is_refused() -> None:
    with pytest.raises(ConfigError, match="combine"):
        mix(combine="mode")


def test_local_rules_read_twenty_seasons_but_at_least_512_rows() -> None:
    def reach(season: int, context: int = 24, **options: object) -> int:
        task = Task(context, H, season)
        return Mix(task=task, trained=None, members=RULES, adapter=False, **options).reach

    assert (reach(12), reach(96), reach(12, 600), reach(96, reach=40)) == (512, 1920, 600, 40)


def test_a_mix_is_wider_than_its_members_by_a_tenth() -> None:
    model, batch = mix(members=["drift"], origins=0), lines()
    own = quantiles_of(model.local["drift"], batch, H, 4)  # type: ignore[arg-type]
    low, middle, high = quantiles(model, batch)
    torch.testing.assert_close(middle, own[MEDIAN], **CLOSE)
    for found, level in ((low, 0.1), (high, 0.9)):
        rest = own[LEVELS.index(level)] - own[MEDIAN]
        torch.testing.assert_close(found - middle, 1.1 * rest, **CLOSE)
