"""LiPCoT: the classical forecast it starts at, its codes, and what it does with odd windows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from einops import rearrange
from torch import Tensor

from tests.frames import long_frame
from tests.networks import network
from tslm import Spec, TSLMForecaster
from tslm.core.errors import ConfigError
from tslm.core.types import Batch, Context, Layout, Task
from tslm.data.datasets.benchmarks import load
from tslm.models.adapters.code_embedding import EMBEDDINGS
from tslm.models.adapters.lipcot import LiPCoT
from tslm.models.adapters.lipcot_controls import CODES, NGRAMS
from tslm.models.adapters.lipcot_frames import sample_windows
from tslm.models.baselines.classical.autoregression import ProfileAR
from tslm.models.decoders.filters import FilterDecoder
from tslm.models.forecast_model import ForecastModel
from tslm.models.layers.lpc.burg import zero_input_response
from tslm.models.layers.lpc.filter_forecasts import CodedTokens, FilterForecasts

H, L, SEASON, ORDER = 12, 96, 6, 8
Walks = Callable[..., Batch]


def built(
    base: str | None = "none",
    backbone: str = "tiny",
    horizon: int = H,
    context_length: int = L,
    season_length: int = SEASON,
    **options: Any,
) -> ForecastModel:
    own = {"order": ORDER, "frame_length": 12, "n_codes": 4, **options}
    parts: dict[str, Any] = {"adapter": Spec("lipcot", **own), "base": base}
    values = {"backbone": backbone, "h": horizon, "context_length": context_length}
    return network(parts, rows=192, season_length=season_length, **values)


@pytest.fixture
def batch(walks: Walks) -> Batch:
    return walks(context=L, future=H, windows=6)


def etth1(part: str, stride: int) -> list[Batch]:
    """Windows of 512 + 96 steps of all channels, standardised, eleven a batch."""
    data = load("etth1")
    values, time = torch.from_numpy(data.standardise()).float(), torch.from_numpy(data.time)
    start, stop = data.target_rows(part)
    rows = torch.arange(max(start, 512), stop - 96 + 1, stride)
    rows = rows[: len(rows) // 11 * 11].reshape(-1, 11)
    steps = torch.arange(-512, 96)
    cut = [(values[r[:, None] + steps], time[r[:, None] + steps]) for r in rows]
    return [Batch(x[:, :512], x[:, 512:], t) for x, t in cut]


def tokens_of(model: ForecastModel, batch: Batch) -> CodedTokens:
    scaled = model.adapter.scale(batch.past).apply(batch.past)
    tokens: CodedTokens = model.adapter(Context.fold(scaled, batch.time[:, :L]))
    return tokens


def read(model: ForecastModel, batch: Batch) -> tuple[Tensor, FilterForecasts]:
    tokens = tokens_of(model, batch)
    return model.backbone(tokens), tokens.forecasts


def decoded(model: ForecastModel, hidden: Tensor, forecasts: FilterForecasts) -> Tensor:
    tokens = CodedTokens(hidden, torch.ones(hidden.shape[:2]).bool(), forecasts=forecasts)
    values: Tensor = model.decoder(hidden, tokens)
    return values


def test_untrained_and_with_its_own_filter_alone_it_is_profile_and_autoregression(
    batch: Batch,
) -> None:
    model = built()
    rule = ProfileAR(task=Task(L, H, season_length=SEASON), order=ORDER)
    hidden, forecasts = read(model, batch)
    alone = torch.full_like(forecasts.evidence, -torch.inf)
    alone[:, 0] = 0
    ahead = decoded(model, hidden, forecasts._replace(evidence=alone))
    ahead = rearrange(ahead, "(B C) H -> B H C", B=len(batch.past))
    scaled = model.adapter.scale(batch.past).apply(batch.past)
    classical = rule.forecast(batch._replace(past=scaled), H)
    torch.testing.assert_close(ahead, classical, rtol=1e-5, atol=1e-5)


def test_untrained_it_is_the_classical_forecast_of_etth1_within_a_thousandth() -> None:
    """The codes have 1 % of the weight, which does not show on every 23rd test window."""
    parts = {"adapter": Spec("lipcot"), "base": "none"}
    model = network(parts, rows=8640, season_length=24, h=96, context_length=512)
    model.learn(etth1("train", 97), [])
    rule = ProfileAR(task=Task(512, 96, season_length=24), order=24)
    windows = etth1("test", 23)
    mixture, classical = (
        sum(float((f.forecast(w, 96) - w.future).square().mean()) for w in windows) / len(windows)
        for f in (model, rule)
    )
    assert mixture == pytest.approx(classical, abs=1e-3)
    assert mixture == pytest.approx(0.356, abs=5e-3)


def test_untrained_the_context_weighs_the_codes_and_its_own_filter_most(batch: Batch) -> None:
    model = built()
    model.learn([batch], [])
    _, forecasts = read(model, batch)
    weights = forecasts.evidence.softmax(1)
    assert (weights.argmax(1) == 0).all()
    assert (forecasts.evidence[:, 0] == 0).all()
    assert (forecasts.evidence[:, 1:] <= 0).all()
    none = built(evidence=0.0)
    assert torch.allclose(read(none, batch)[1].evidence, torch.zeros(1))


def test_with_a_base_training_begins_at_the_base(batch: Batch) -> None:
    model = built(base=None)  # that of its yaml
    assert isinstance(model.base, ProfileAR)
    model.learn([batch], [batch])
    expected = model.base.forecast(batch, H)
    found = model.forecast(batch, H)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_a_code_continues_a_state_as_its_recursion_does(batch: Batch) -> None:
    model = built()
    model.learn([batch], [])
    adapter = model.adapter
    assert isinstance(adapter, LiPCoT)
    state = torch.randn(5, ORDER, dtype=torch.float64)
    for number, coefficients in enumerate(adapter.book.filters):
        step_by_step = zero_input_response(coefficients.expand(5, -1), state, H)
        ahead = state @ adapter.responses[number].double()
        torch.testing.assert_close(ahead, step_by_step, rtol=1e-5, atol=1e-5)


def test_a_forecast_moves_to_the_predicted_level(batch: Batch) -> None:
    model = built()
    model.learn([batch], [])
    hidden, forecasts = read(model, batch)
    decoder = model.decoder
    assert isinstance(decoder, FilterDecoder)
    torch.nn.init.constant_(decoder.project.bias[-1:], 3.0)
    still = forecasts._replace(
        state=torch.full_like(forecasts.state, 3.0), own=3 * forecasts.settle
    )  # a series that is at that level already stays there
    ahead = decoded(model, hidden, still) - forecasts.season
    torch.testing.assert_close(ahead, torch.full_like(ahead, 3.0), rtol=1e-4, atol=1e-4)


def test_a_longer_horizon_begins_with_the_shorter_one(batch: Batch) -> None:
    near, far = built(), built(horizon=3 * H)
    for model in (near, far):
        model.learn([batch], [])
    for number in (0, 1, 3):
        responses = [model.adapter.state_dict()["responses"][number] for model in (near, far)]
        torch.testing.assert_close(responses[1][:, :H], responses[0])
    own = [read(model, batch)[1].own for model in (near, far)]
    torch.testing.assert_close(own[1][:, :H], own[0])


def test_a_residual_of_nothing_stays_at_the_level_and_others_tend_to_it(batch: Batch) -> None:
    model = built(horizon=400)
    model.learn([batch], [])
    hidden, forecasts = read(model, batch)
    decoder = model.decoder
    assert isinstance(decoder, FilterDecoder)
    torch.nn.init.constant_(decoder.project.bias[-1:], 2.0)
    zero, still = torch.zeros_like(forecasts.own), torch.full_like(forecasts.state, 2.0)
    at_level = forecasts._replace(season=zero, state=still, own=2 * forecasts.settle)
    ahead = decoded(model, hidden, at_level)
    torch.testing.assert_close(ahead, torch.full_like(ahead, 2.0), rtol=1e-4, atol=1e-4)
    codes = torch.full_like(forecasts.evidence, 0.0)
    codes[:, 0] = -torch.inf  # the filters of codes, which forget; one's own may be slow
    tending = decoded(model, hidden, forecasts._replace(season=zero, evidence=codes)) - 2
    assert (tending[:, -1].abs() < 0.05 * tending[:, 0].abs().clamp(min=0.5)).all()


def test_intervals_of_an_autoregression_cover_at_their_level() -> None:
    dice = torch.Generator().manual_seed(0)
    noise = torch.randn(400, 300 + L * 4 + H, generator=dice).double()
    x = torch.zeros_like(noise)
    for t in range(2, x.shape[1]):  # poles of modulus 0.8
        x[:, t] = 1.2 * x[:, t - 1] - 0.64 * x[:, t - 2] + noise[:, t]
    past, future = x[:, -4 * L - H : -H, None].float(), x[:, -H:]
    model = built(context_length=4 * L, season_length=1, order=4)
    time = torch.arange(4 * L + H).repeat(len(x), 1)
    series = Batch(past, future[:, :, None].float(), time)
    model.learn([series], [])
    scale = model.adapter.scale(past)
    tokens = model.adapter(Context.fold(scale.apply(past), time[:, : 4 * L]))
    mixture = model.decoder.mixture(model.backbone(tokens), tokens.forecasts)
    truth = scale.last.apply(future[:, :, None])[:, :, 0].float()
    torch.testing.assert_close(mixture.variances[:, :, 0], tokens.forecasts.power)
    low, high = (mixture.marginals.at(torch.full_like(truth, level)) for level in (0.1, 0.9))
    covered = float(((truth >= low) & (truth <= high)).float().mean())
    assert 0.77 < covered < 0.83


def test_the_mixture_has_the_mean_that_is_forecast(batch: Batch) -> None:
    model = built()
    model.learn([batch], [])
    hidden, forecasts = read(model, batch)
    decoder = model.decoder
    assert isinstance(decoder, FilterDecoder)
    torch.nn.init.normal_(decoder.project.weight, std=0.1)
    mixture = decoder.mixture(hidden, forecasts)
    torch.testing.assert_close(
        mixture.marginals.point, decoded(model, hidden, forecasts), rtol=1e-4, atol=1e-4
    )
    torch.testing.assert_close(mixture.weights.sum(1), torch.ones(len(hidden)))


def test_codebooks_are_learnt_once_saved_and_stable(batch: Batch) -> None:
    model = built()
    before = model.adapter.state_dict()["book.filters"].clone()
    model.learn([batch], [])
    after = model.adapter.state_dict()
    assert not torch.equal(after["book.filters"], before)
    other = built()
    other.adapter.load_state_dict(after)
    same = (model.forecast(batch, H), other.forecast(batch, H))
    assert torch.equal(*same)
    impulse = torch.zeros(len(before), ORDER, dtype=torch.float64)
    impulse[:, -1] = 1
    assert zero_input_response(after["book.filters"], impulse, 5000)[:, -1].abs().max() < 1


def test_nothing_but_training_windows_makes_a_code(batch: Batch) -> None:
    first, second = built(), built()
    first.learn([batch], [])
    changed = Batch(batch.past, batch.future + 100, batch.time)
    second.learn([changed], [changed])
    assert torch.equal(first.adapter.state_dict()["book.filters"], second.adapter.book.filters)


@pytest.mark.parametrize("embedding", EMBEDDINGS)
def test_every_embedding_has_the_size_of_words_and_separates_codes(
    embedding: str, batch: Batch
) -> None:
    model = built(embedding=embedding)
    model.learn([batch], [])
    tokens = tokens_of(model, batch)
    embeds = tokens.embeds
    assert embeds.shape[1] == model.n_tokens == (L // 12 + 1) * model.adapter.embed.n_tokens
    words = model.backbone.lexicon.words.float().square().mean(1).sqrt().mean()
    sizes = embeds.square().mean(2).sqrt()
    near = 0.3 if embedding == "text" else 1e-3  # these are words themselves
    torch.testing.assert_close(sizes, words.expand_as(sizes), rtol=near, atol=near)
    assert len(torch.unique(embeds.flatten(0, 1), dim=0)) > 5
    trained = sum(weight.numel() for weight in model.adapter.parameters() if weight.requires_grad)
    assert (trained == 0) == (embedding in ("words", "text"))


def test_codes_as_text_are_read_as_the_sentence_they_are_written_in(batch: Batch) -> None:
    model = built(embedding="text", gain_codes=12)
    model.learn([batch], [])
    adapter = model.adapter
    assert isinstance(adapter, LiPCoT)
    scaled = adapter.scale(batch.past).apply(batch.past)
    shape, gain, level = adapter.encode(Context.fold(scaled, batch.time[:, :L])).codes
    first = slice(0, adapter.n_frames)
    parts = zip(shape[first] - 4, gain[first], level[first], strict=True)
    sentence = "".join(f" {s} {g} {lv}," for s, g, lv in parts)
    ids = model.backbone.lexicon.tokenizer(sentence, add_special_tokens=False)["input_ids"]
    tokens = tokens_of(model, batch)
    vectors = tokens.embeds[0, : -adapter.embed.n_tokens][tokens.mask[0, : -adapter.embed.n_tokens]]
    torch.testing.assert_close(vectors, model.backbone.lexicon.embed(torch.tensor(ids)))
    assert not tokens.mask.all()  # shorter numbers are padded
    assert tokens.mask[:, -1].all()


def test_codes_of_a_band_agree_at_two_rates_and_those_of_steps_do_not(walks: Walks) -> None:
    slow = walks(context=1200, future=H, windows=4, channels=1)
    twice = torch.fft.irfft(torch.fft.rfft(slow.past, dim=1), 2400, dim=1) * 2
    fast = Batch(twice, slow.future, torch.arange(2400 + H).repeat(4, 1))
    agreement = {}
    for band in (6.0, None):
        sizes = {"order": 6, "latent": "logspec", "band": band}
        one = built(context_length=1200, season_length=24, frame_length=120, **sizes)
        two = built(context_length=2400, season_length=48, frame_length=240, **sizes)
        one.learn([slow], [])
        assert isinstance(one.adapter, LiPCoT)
        assert isinstance(two.adapter, LiPCoT)
        two.adapter.share(one.adapter)
        codes = [
            m.adapter.encode(Context.fold(m.adapter.scale(b.past).apply(b.past), b.time[:, :n]))
            for m, b, n in ((one, slow, 1200), (two, fast, 2400))
        ]
        agreement[band] = float((codes[0].codes.shape == codes[1].codes.shape).float().mean())
    assert agreement[6.0] > 0.9
    assert agreement[None] < 0.6


@pytest.mark.parametrize("codes", [kind for kind in CODES if kind != "learnt"])
def test_every_control_of_the_codes_changes_what_is_read(codes: str, batch: Batch) -> None:
    plain, control = built(), built(codes=codes)
    for model in (plain, control):
        model.learn([batch], [])
    same = (tokens_of(plain, batch), tokens_of(control, batch))
    assert not torch.allclose(same[0].embeds, same[1].embeds)
    if codes == "random":
        assert torch.equal(control.adapter.book.filters, built().adapter.book.filters)
    elif codes in NGRAMS:
        assert not same[1].embeds.any()
        assert not torch.equal(same[0].forecasts.habit, same[1].forecasts.habit)
    else:
        forecasts = [tokens.forecasts for tokens in same]
        assert all(torch.equal(a, b) for a, b in zip(*forecasts, strict=True))
    if codes == "bag":
        frames = same[1].embeds[:, :-1]
        torch.testing.assert_close(frames, frames[:, :1].expand_as(frames))
    if codes in ("shuffled", "bag"):
        assert torch.equal(same[0].embeds[:, -1], same[1].embeds[:, -1])


def test_counted_codes_weigh_filters_by_what_followed_in_training(walks: Walks) -> None:
    """Half of the series go on as noise, half as slow waves, whatever they were before."""
    dice = torch.Generator().manual_seed(0)
    past = torch.randn(64, 4 * L, 1, generator=dice)
    past[::2] = past[::2].cumsum(1)
    slow = torch.randn(64, 4 * L, 1, generator=dice).cumsum(1)
    time = torch.arange(8 * L).repeat(64, 1)
    sizes = {"context_length": 4 * L, "season_length": 1, "order": 4, "n_codes": 2}
    for kind in NGRAMS:
        model = built(codes=kind, **sizes)
        model.learn([Batch(past, slow, time)], [])
        adapter = model.adapter
        assert isinstance(adapter, LiPCoT)
        probabilities = adapter.habits[:, 1:].exp() / 2
        torch.testing.assert_close(probabilities.sum(1), torch.ones(2))
        code = int(adapter.book.filters[:, 0].argmin())  # of what moves slowly
        assert (probabilities[:, code] > 0.9).all()
        assert (adapter.habits[:, 0] == 0).all()
    swapped = torch.where(
        (torch.arange(64) % 2 == 0)[:, None, None], slow.diff(dim=1, prepend=slow[:, :1]), slow
    )
    bigram, unigram = (built(codes=kind, **sizes) for kind in ("bigram", "unigram"))
    for model in (bigram, unigram):
        model.learn([Batch(past, swapped, time)], [])
    assert bigram.adapter.habits.diff(dim=0).abs().max() > 1  # what was slow becomes noise
    assert unigram.adapter.habits.diff(dim=0).abs().max() == 0


def test_controls_are_asked_about_where_codes_are_learnt() -> None:
    assert set(LiPCoT.language({"codes": "learnt"})) == {f"codes={kind}" for kind in CODES[1:]}
    assert not LiPCoT.language({"codes": "random"})


@pytest.mark.parametrize("kind", ["constant", "missing", "spike", "two values", "half missing"])
def test_odd_windows_give_finite_forecasts(kind: str, batch: Batch) -> None:
    past = batch.past.clone()
    if kind == "constant":
        past[:] = 5.0
    elif kind == "missing":
        past[:] = torch.nan
    elif kind == "spike":
        past[:] = 0.0
        past[:, 40] = 1e6
    elif kind == "two values":
        past = (past > 0).float()
    else:
        past[:, ::2] = torch.nan
    model = built()
    model.learn([Batch(past, batch.future, batch.time)], [])
    assert torch.isfinite(model.forecast(batch._replace(past=past), 3 * H)).all()


@pytest.mark.parametrize("length", [2, 5, 20])
def test_contexts_too_short_for_the_order_are_forecast(length: int, walks: Walks) -> None:
    short = walks(context=length, future=H, windows=3)
    model = built(context_length=length, frame_length=min(length, 4))
    model.learn([short], [])
    assert torch.isfinite(model.forecast(short, 2 * H)).all()


def test_a_bidirectional_backbone_forecasts_too(
    checkpoint: Callable[[str], str], batch: Batch
) -> None:
    model = built(backbone=checkpoint("bert"))
    model.learn([batch], [])
    assert torch.isfinite(model.forecast(batch, 2 * H)).all()


def test_wrong_arguments_are_refused() -> None:
    for options, message in (
        ({"embedding": "speech"}, r"embedding='speech' is unknown\. Choose one of latent"),
        ({"codes": "secret"}, r"codes='secret' is unknown\. Choose one of learnt"),
        ({"frame_length": 200}, "frame_length 200 does not fit into context_length 96"),
        (
            {"frame_length": 3},
            r"frame_length 3 is too short: each coefficient.*Set it to 4 or more\.",
        ),
        ({"band": 4.0}, r"band=4\.0 must be above 0 and at most 3\.0, half of season_length 6"),
        ({"evidence": -1.0}, r"evidence=-1\.0 must not be negative"),
    ):
        with pytest.raises(ConfigError, match=message):
            built(**options)
    with pytest.raises(ConfigError, match="decoder=filters needs an adapter with filters"):
        FilterDecoder(width=8, layout=Layout(4, 8), task=Task(L, H))


def test_a_gain_in_one_stretch_of_validation_is_shrunk(batch: Batch) -> None:
    model = built(base="profile_ar")
    assert isinstance(model.decoder, FilterDecoder)
    model.learn([batch], [])
    torch.nn.init.constant_(model.decoder.project.bias[-1:], 0.5)
    assert model.base is not None
    base = model.base.forecast(batch, H)
    model.calibrate([])
    correction = model.forecast(batch, H) - base
    agreed = Batch(batch.past, base + 0.5 * correction, batch.time)
    model.calibrate([agreed])
    everywhere = model.shrinkage
    weight = torch.zeros(len(base), 1, 1)
    weight[0] = 0.5 * correction.square().sum() / correction[0].square().sum()
    model.calibrate([Batch(batch.past, base + weight * correction, batch.time)])
    assert model.shrinkage < 0.1 < everywhere
    model.decoder.caution = 0.0
    model.calibrate([Batch(batch.past, base + weight * correction, batch.time)])
    assert model.shrinkage == pytest.approx(0.5, abs=1e-3)


@pytest.mark.filterwarnings("ignore:On .* validation windows")
def test_a_saved_model_forecasts_as_before_and_further_than_it_was_trained(tmp_path: Path) -> None:
    dice = np.random.default_rng(0)
    y = 4 * np.sin(np.arange(400) * np.pi / 12) + dice.normal(0, 1, 400).cumsum()
    df = long_frame({"a": y}, freq="h")
    options = {"backbone": "tiny", "h": 24, "context_length": 96, "max_steps": 5, "verbose": 0}
    adapter = Spec("lipcot", n_codes=4, order=8)
    model = TSLMForecaster(
        base=None, adapter=adapter, random_state=0, accelerator="cpu", **options
    ).fit(df)
    assert model.verdict_.shrinkage == model.model_.shrinkage
    model.save(tmp_path / "m")
    again = TSLMForecaster.load(tmp_path / "m")
    assert again.verdict_ == model.verdict_
    for h in (5, 24, 60):
        ahead = model.predict(h=h)
        assert np.isfinite(ahead["LiPCoT"]).all()
        pd.testing.assert_frame_equal(again.predict(h=h), ahead)


def test_codebooks_are_learnt_from_evenly_spaced_windows(walks: Walks) -> None:
    whole = walks(context=L, future=H, windows=64, channels=1)
    batches = [Batch(*(part[i : i + 8] for part in whole[:3])) for i in range(0, 64, 8)]
    sample = torch.cat([some.past for some in sample_windows(batches, 20)])
    rows = [int((whole.past == one).all((1, 2)).nonzero()[0, 0]) for one in sample]
    assert len(rows) == 20
    assert np.diff([*rows, 64 + rows[0]]).max() <= 4  # no stretch of them is left out
    assert [*sample_windows([], 20)] == []
    few = torch.cat([some.future for some in sample_windows(batches[:2], 20)])
    assert torch.equal(few, whole.future[:16])


def test_the_level_of_whole_seasons_is_not_a_code_of_rounding(batch: Batch) -> None:
    model = built()
    model.learn([batch], [])
    assert not model.adapter.book.levels.edges.any()  # L is a multiple of the season
    _, found = model.adapter.measure([batch])
    assert not found.level.any()
