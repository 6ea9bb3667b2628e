"""LiPCoT: the classical forecast it starts at, its codes, and what it does with odd windows."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from tslm import Spec
from tslm.adapters.lipcot import CODES, EMBEDDINGS, LiPCoT
from tslm.assembly import assemble, settle, task_of
from tslm.calendar import Calendar
from tslm.config import configure
from tslm.decoders.filters import FilterDecoder
from tslm.errors import ConfigError
from tslm.model import ForecastModel
from tslm.nn.burg import zero_input_response
from tslm.nn.classical import ProfileAR
from tslm.types import Batch, Context, Facts, Layout, Outlook, Task, Tokens

H, L, SEASON, ORDER = 12, 96, 6, 8
Walks = Callable[..., Batch]


def built(base: str | None = "none", **options: Any) -> ForecastModel:
    own = {"order": ORDER, "frame_length": 12, "n_codes": 4, **options}
    parts: dict[str, Any] = {"adapter": Spec("lipcot", **own), "base": base}
    values = {"backbone": "tiny", "h": H, "context_length": L, "season_length": SEASON}
    cfg = settle(configure(parts, values), Facts(H, SEASON, 192))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return assemble(cfg, task_of(cfg, SEASON, Calendar("h"))).eval()


@pytest.fixture
def batch(walks: Walks) -> Batch:
    return walks(context=L, future=H, windows=6)


def tokens_of(model: ForecastModel, batch: Batch) -> Tokens:
    scaled = model.adapter.scale(batch.past).apply(batch.past)
    tokens: Tokens = model.adapter(Context.fold(scaled, batch.time[:, :L]))
    return tokens


def read(model: ForecastModel, batch: Batch) -> tuple[Tensor, Outlook]:
    tokens = tokens_of(model, batch)
    assert tokens.outlook is not None
    return model.backbone(tokens), tokens.outlook


def test_untrained_and_with_its_own_filter_alone_it_is_profile_and_autoregression(
    batch: Batch,
) -> None:
    model = built()
    rule = ProfileAR(task=Task(L, H, season_length=SEASON), order=ORDER)
    classical = rule.forecast(batch.past, batch.time, H)
    hidden, outlook = read(model, batch)
    alone = torch.full_like(outlook.evidence, -torch.inf)
    alone[:, 0] = 0
    ahead = model.decoder(hidden, outlook._replace(evidence=alone))
    scale = model.adapter.scale(batch.past)
    found = scale.stretch(model._unfold(ahead, len(batch.past))) + scale.level(H)
    torch.testing.assert_close(found, classical, rtol=1e-4, atol=1e-4)


def test_untrained_the_context_weighs_the_codes_and_its_own_filter_most(batch: Batch) -> None:
    model = built()
    model.learn([batch], [])
    _, outlook = read(model, batch)
    weights = outlook.evidence.softmax(1)
    assert (weights.argmax(1) == 0).all()
    assert (outlook.evidence[:, 0] == 0).all()
    assert (outlook.evidence[:, 1:] <= 0).all()
    none = built(evidence=0.0)
    assert torch.allclose(read(none, batch)[1].evidence, torch.zeros(1))


def test_with_a_base_training_begins_at_the_base(batch: Batch) -> None:
    model = built(base=None)  # that of its yaml
    assert isinstance(model.base, ProfileAR)
    model.learn([batch], [batch])
    expected = model.base.forecast(batch.past, batch.time, H)
    found = model.forecast(batch.past, batch.time, H)
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


def test_a_forecast_moves_to_the_level_it_is_told(batch: Batch) -> None:
    model = built()
    model.learn([batch], [])
    hidden, outlook = read(model, batch)
    decoder = model.decoder
    assert isinstance(decoder, FilterDecoder)
    torch.nn.init.constant_(decoder.project.bias[-1:], 3.0)
    still = outlook._replace(
        state=torch.full_like(outlook.state, 3.0), own=3 * outlook.settle
    )  # a series that is at that level already stays there
    ahead = decoder(hidden, still) - outlook.season
    torch.testing.assert_close(ahead, torch.full_like(ahead, 3.0), rtol=1e-4, atol=1e-4)


def test_the_mixture_has_the_mean_that_is_forecast(batch: Batch) -> None:
    model = built()
    model.learn([batch], [])
    hidden, outlook = read(model, batch)
    decoder = model.decoder
    assert isinstance(decoder, FilterDecoder)
    torch.nn.init.normal_(decoder.project.weight, std=0.1)
    mixture = decoder.mixture(hidden, outlook)
    torch.testing.assert_close(mixture.mean, decoder(hidden, outlook), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(mixture.weights.sum(1), torch.ones(len(hidden)))


def test_codebooks_are_learnt_once_kept_and_stable(batch: Batch) -> None:
    model = built()
    before = model.adapter.state_dict()["book.filters"].clone()
    model.learn([batch], [])
    after = model.adapter.state_dict()
    assert not torch.equal(after["book.filters"], before)
    other = built()
    other.adapter.load_state_dict(after)
    same = (model.forecast(batch.past, batch.time, H), other.forecast(batch.past, batch.time, H))
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
def test_every_embedding_has_the_size_of_words_and_tells_codes_apart(
    embedding: str, batch: Batch
) -> None:
    model = built(embedding=embedding)
    model.learn([batch], [])
    embeds = tokens_of(model, batch).embeds
    assert embeds.shape[1] == L // 12 + 1
    words = model.backbone.lexicon.words.float().square().mean(1).sqrt().mean()
    sizes = embeds.square().mean(2).sqrt()
    torch.testing.assert_close(sizes, words.expand_as(sizes), rtol=1e-3, atol=1e-3)
    assert len(torch.unique(embeds.flatten(0, 1), dim=0)) > 5
    trained = sum(weight.numel() for weight in model.adapter.parameters() if weight.requires_grad)
    assert (trained == 0) == (embedding == "words")


@pytest.mark.parametrize("codes", [kind for kind in CODES if kind != "learnt"])
def test_every_control_of_the_codes_changes_what_is_read(codes: str, batch: Batch) -> None:
    plain, control = built(), built(codes=codes)
    for model in (plain, control):
        model.learn([batch], [])
    same = (tokens_of(plain, batch), tokens_of(control, batch))
    assert not torch.allclose(same[0].embeds, same[1].embeds)
    if codes == "random":
        assert torch.equal(control.adapter.book.filters, built().adapter.book.filters)
    else:
        outlooks = [tokens.outlook for tokens in same]
        assert all(torch.equal(a, b) for a, b in zip(*outlooks, strict=True))
    if codes == "shuffled":
        assert torch.equal(same[0].embeds[:, -1], same[1].embeds[:, -1])


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
    assert torch.isfinite(model.forecast(past, batch.time, 3 * H)).all()


def test_what_makes_no_sense_is_refused() -> None:
    for options, message in (
        ({"embedding": "text"}, r"embedding 'text' is unknown\. Choose one of latent"),
        ({"codes": "secret"}, r"codes 'secret' is unknown\. Choose one of learnt"),
        ({"frame_length": 200}, "frame_length 200 does not fit into context_length 96"),
        ({"evidence": -1.0}, r"evidence=-1\.0 must not be negative"),
    ):
        with pytest.raises(ConfigError, match=message):
            built(**options)
    with pytest.raises(ConfigError, match="decoder=filters mixes the filters of an adapter"):
        FilterDecoder(width=8, layout=Layout(4, 8), task=Task(L, H))
