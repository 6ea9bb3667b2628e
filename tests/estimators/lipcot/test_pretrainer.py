"""Learning codes without labels, and what forecasting makes of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from torch.nn.functional import cross_entropy

from tests.frames import long_frame
from tslm import ConfigError, DataError, LiPCoTPretrainer, NotFittedError, Spec, TSLMForecaster
from tslm.core.types import Batch, Context
from tslm.estimators.lipcot import reader as codereader
from tslm.estimators.lipcot.reader import CodeReader, hidden_at
from tslm.models.adapters.lipcot import LiPCoT
from tslm.models.adapters.lipcot_frames import CodedFrames
from tslm.models.layers.lpc.codebook import FLAT, MASK, SPECIAL

pytestmark = [
    pytest.mark.filterwarnings("ignore:On .* validation windows"),
]
ADAPTER = Spec("lipcot", n_codes=4, order=4, gain_codes=3, level_codes=3, frame_length=24)
FAST: dict[str, Any] = {"backbone": "tiny", "context_length": 192, "max_steps": 3, "verbose": 0}
FAST |= {"accelerator": "cpu", "adapter": ADAPTER, "batch_size": 16}
Walks = Callable[..., Batch]


def frame(rows: int = 600, freq: str = "h", series: int = 2, seed: int = 0) -> pd.DataFrame:
    dice = np.random.default_rng(seed)
    y = dice.normal(size=(series, rows)).cumsum(1) + 4 * np.sin(np.arange(rows) * np.pi / 12)
    return long_frame({f"s{i}": walk for i, walk in enumerate(y)}, freq=freq)


DAYS = 6


def turns(series: int = 60) -> pd.DataFrame:
    """Return series of days whose spectra follow in a fixed order: the next one is certain.

    Each series is as long as one context, so that frames are days.
    """
    dice, days = np.random.default_rng(0), []
    for day in range(series * DAYS):
        noise, a = dice.normal(size=24), (0.9, 0.0, -0.9)[(day + day // DAYS) % 3]
        for t in range(1, 24):
            noise[t] += a * noise[t - 1]
        days.append(noise)
    ds = pd.date_range("2024-01-01", periods=24 * DAYS, freq="h")
    ids = [f"{number:02d}" for number in range(series)]
    index = pd.MultiIndex.from_product([ids, ds], names=["unique_id", "ds"])
    return pd.DataFrame({"y": np.concatenate(days)}, index=index).reset_index()


@pytest.fixture
def encoder(checkpoint: Callable[[str], str]) -> str:
    return checkpoint("bert")


def contexts(walks: Walks, windows: int) -> Batch:
    batch = walks(context=192, windows=windows)
    return Batch(batch.past, batch.future[:, :0], batch.time[:, :192])


def reader(objective: str, backbone: str, batch: Batch) -> CodeReader:
    model = LiPCoTPretrainer(objective=objective, **{**FAST, "backbone": backbone})
    found = model.fit(frame()).reader_
    assert found.adapters[0].n_frames == batch.past.shape[1] // 24
    return found


@pytest.mark.parametrize("objective", ["next_code", "mlm"])
def test_what_is_frozen_stays_and_the_embedding_learns(objective: str, encoder: str) -> None:
    backbone = "tiny" if objective == "next_code" else encoder
    runs = [
        LiPCoTPretrainer(objective=objective, **{**FAST, "backbone": backbone, "max_steps": steps})
        .fit(frame())
        .reader_.state_dict()
        for steps in (1, 4)
    ]
    for name in runs[0]:
        moved = not torch.equal(runs[0][name], runs[1][name])
        assert moved == name.startswith(("adapters.0.embed.", "adapters.0.calendar.", "head.")), (
            name
        )


def test_only_masked_frames_are_predicted_and_special_ones_never(
    encoder: str, walks: Walks
) -> None:
    batch = contexts(walks, 40)
    batch.past[:, 48:72] = 5.0  # does not move, once the season is taken off
    model = reader("mlm", encoder, batch)
    dice = torch.Generator().manual_seed(0)
    guess = model.guess(0, batch, dice)
    assert 0.1 < guess.counted.float().mean() < 0.2
    assert all((part.shape == (int(guess.counted.sum()),)) for part in guess.parts)
    assert (guess.parts[0] >= SPECIAL).all()
    with torch.random.fork_rng():
        torch.manual_seed(3)
        loss = model.loss(0, batch)
        torch.manual_seed(3)
        again = model.guess(0, batch)
    logits = model.logits(again.hidden)
    byhand = sum(cross_entropy(a, b) for a, b in zip(logits, again.parts, strict=True))
    torch.testing.assert_close(loss, byhand)


def test_a_masked_frame_does_not_change_the_hidden_states(encoder: str, walks: Walks) -> None:
    batch = contexts(walks, 50)
    model = reader("mlm", encoder, batch)
    adapter = model.adapters[0]
    assert isinstance(adapter, LiPCoT)
    context = Context.fold(adapter.scale(batch.past).apply(batch.past), batch.time)
    coded = adapter.encode(context)
    every = torch.ones_like(coded.codes.shape, dtype=torch.bool)
    every[::2] = False
    hidden = hidden_at(coded, every, torch.Generator().manual_seed(0))
    masked = hidden.codes.shape == MASK
    assert not masked[::2].any()
    assert 0.7 < masked[1::2].float().mean() < 0.9
    vectors = adapter.embed(*hidden, whole=False)[masked]
    torch.testing.assert_close(vectors, vectors[:1].expand_as(vectors))
    kept = (hidden.codes.shape == coded.codes.shape) & (hidden.frames.level == coded.frames.level)
    assert kept[::2].all()
    assert 0.05 < kept[1::2].float().mean() < 0.2  # the rest are those of other frames
    assert (coded.codes.shape != MASK).all()


def test_the_next_code_is_predicted_from_earlier_frames_alone(
    walks: Walks, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = contexts(walks, 10)
    model = reader("next_code", "tiny", batch)
    adapter = model.adapters[0]
    assert isinstance(adapter, LiPCoT)
    context = Context.fold(adapter.scale(batch.past).apply(batch.past), batch.time)
    codes, frames = adapter.encode(context)
    place = torch.arange(len(codes.shape)) % adapter.n_frames
    states = {}
    for name, changed in (("none", -1), ("last", adapter.n_frames - 1), ("first", 0)):
        other = SPECIAL + (codes.shape - SPECIAL + 1) % 4
        shape = torch.where(place == changed, other, codes.shape)
        coded = CodedFrames(codes._replace(shape=shape), frames)
        monkeypatch.setattr(LiPCoT, "encode", lambda *_, coded=coded: coded)
        guess = model.guess(0, batch)
        assert not guess.counted[:, 0].any()
        assert guess.counted[:, 1:].all()
        states[name] = guess.hidden
    torch.testing.assert_close(states["last"], states["none"])
    assert ((states["first"] - states["none"]).abs().amax(1) > 1e-4).all()


def test_codes_that_follow_a_rule_are_learnt() -> None:
    options = {**FAST, "max_steps": 250, "learning_rate": 1e-2, "season_length": 1}
    options["context_length"] = 24 * DAYS
    options["adapter"] = Spec("lipcot", n_codes=3, order=2, frame_length=24, calendar=False)
    model = LiPCoTPretrainer(**options).fit(turns())
    table = model.score(turns()).set_index("predictor")
    assert table.perplexity["uniform"] == 3
    assert table.perplexity["unigram"] > 2.5
    assert table.perplexity["bigram"] < 1.6  # the codebook takes some days for others
    assert table.perplexity["model"] < table.perplexity["unigram"] - 1
    assert table.accuracy["model"] > 0.8


@pytest.mark.parametrize(
    ("written", "options"),
    [("%d/%m/%Y %H:%M", {"dayfirst": True}), ("%d|%m|%y %H", {"time_format": "%d|%m|%y %H"})],
)
def test_sets_are_read_as_their_times_are_written(written: str, options: dict[str, Any]) -> None:
    df = frame(600, series=1)
    text = df.assign(ds=df.ds.dt.strftime(written))
    scores = [
        LiPCoTPretrainer(**FAST | {"max_steps": 1}, **given).fit(part).score(part)
        for part, given in [(df, {}), (text, options)]
    ]
    pd.testing.assert_frame_equal(*scores)


def test_one_codebook_serves_sets_of_several_rates_and_its_embedding_learns_from_all() -> None:
    adapter = Spec("lipcot", n_codes=4, order=6, band=12.0)
    options = {**FAST, "adapter": adapter, "context_length": None, "max_steps": 4}
    sets = [frame(1200), frame(2400, "30min")]
    model = LiPCoTPretrainer(
        **options,
    ).fit(sets)
    first, second = model.reader_.adapters
    assert isinstance(first, LiPCoT)
    assert isinstance(second, LiPCoT)
    assert (first.layout.patch_len, second.layout.patch_len) == (24, 48)
    assert second.frame_book is first.frame_book
    assert second.embed is first.embed
    for part in sets:
        assert np.isfinite(model.score(part).perplexity).all()
    with pytest.raises(ConfigError, match=r"can share codes only if .* Set adapter\.band"):
        LiPCoTPretrainer(**{**options, "adapter": "lipcot"}).fit(sets)


def test_forecasting_begins_with_what_was_pretrained(tmp_path: Path) -> None:
    pretrainer = LiPCoTPretrainer(**FAST).fit(frame(seed=1))
    pretrainer.save(tmp_path / "codes")
    taught = pretrainer.reader_.adapters[0].state_dict()
    options = {**FAST, "h": 24, "max_steps": 1, "learning_rate": 1e-12, "random_state": 0}
    model = TSLMForecaster(base=None, pretrained=tmp_path / "codes", **options)
    model = clone(model).fit(frame(seed=2))
    own = model.model_.adapter.state_dict()
    for name in ("embed.map.weight", "calendar.map.weight", "frame_book.filters"):
        torch.testing.assert_close(own[name], taught[name], rtol=1e-6, atol=1e-6)
    assert not torch.equal(own["book.filters"], taught["book.filters"])  # of this data
    model.save(tmp_path / "model")
    (tmp_path / "codes").rename(tmp_path / "elsewhere")  # a saved model needs it no more
    again = TSLMForecaster.load(tmp_path / "model")
    pd.testing.assert_frame_equal(again.predict(), model.predict())


def test_a_forecaster_can_start_from_another_and_names_what_does_not_fit(tmp_path: Path) -> None:
    adapter = Spec("autotimes", patch_len=24)
    options = {**FAST, "adapter": adapter, "h": 24, "max_steps": 2, "random_state": 0}
    first = TSLMForecaster(base=None, **options).fit(frame())
    first.save(tmp_path / "m")
    rest = {"learning_rate": 1e-12, "pretrained": str(tmp_path / "m")}
    second = TSLMForecaster(**{"base": None, **options, **rest}).fit(frame(seed=3))
    for name, tensor in first.model_.adapter.state_dict().items():
        torch.testing.assert_close(second.model_.adapter.state_dict()[name], tensor)
    with pytest.raises(ConfigError, match=r"weights do not fit: .* is .*, and must be"):
        TSLMForecaster(
            **{"base": None, **options, **rest, "adapter": Spec("autotimes", patch_len=12)}
        ).fit(frame())
    with pytest.raises(DataError, match="is not a saved tslm model"):
        TSLMForecaster(**{"base": None, **options, "pretrained": str(tmp_path / "nothing")}).fit(
            frame()
        )


def test_a_backbone_from_scratch_is_pretrained_and_forecasts_from_its_folder(
    encoder: str, tmp_path: Path
) -> None:
    options = {**FAST, "backbone": encoder, "freeze": "full"}
    model = LiPCoTPretrainer(objective="mlm", **options).fit(frame())
    model.save(tmp_path / "codes")
    model.save_body(tmp_path / "body")
    options |= {"backbone": str(tmp_path / "body"), "freeze": "strict", "h": 24, "max_steps": 1}
    forecaster = TSLMForecaster(
        base=None, pretrained=tmp_path / "codes", random_state=0, **options
    ).fit(frame(seed=4))
    body = model.reader_.backbone.body
    for name, weight in forecaster.model_.backbone.body.named_parameters():
        torch.testing.assert_close(weight, body.get_parameter(name))
    assert np.isfinite(forecaster.predict()["LiPCoT"]).all()
    with pytest.raises(ConfigError, match="exists already"):
        model.save_body(tmp_path / "body")


def test_codes_count_no_frame_that_does_not_move() -> None:
    still = frame()
    still.loc[still.unique_id == "s0", "y"] = 1.0
    model = LiPCoTPretrainer(**FAST).fit(still)
    table = model.score(still)
    assert (table.codes == table.codes[0]).all()
    assert table.codes[0] <= 600 // 24
    assert FLAT < SPECIAL
    with pytest.raises(DataError, match="No frame of these series can be predicted"):
        model.score(still[still.unique_id == "s0"])


def test_wrong_arguments_are_refused(encoder: str, tmp_path: Path) -> None:
    for options, message in (
        ({"objective": "guess"}, "objective='guess' is unknown"),
        ({"objective": "mlm"}, "needs a backbone that reads in both directions, and tiny does not"),
        ({"backbone": encoder}, "needs a backbone that reads from left to right"),
        ({"adapter": "autotimes"}, "adapter=autotimes has no codes"),
        ({"adapter": Spec("lipcot", embedding="words")}, "leave nothing to train"),
    ):
        with pytest.raises(ConfigError, match=message):
            LiPCoTPretrainer(**{**FAST, **options}).fit(frame())
    with pytest.raises(NotFittedError, match="not fitted yet"):
        LiPCoTPretrainer().save(tmp_path / "x")


def test_a_codebook_of_frames_is_learnt_from_every_series(monkeypatch: pytest.MonkeyPatch) -> None:
    series_read, measured = set(), LiPCoT.measure

    def spy(adapter: LiPCoT, train: Any) -> Any:
        series_read.update(train.windows.series(torch.cat(train.parts)).tolist())
        return measured(adapter, train)

    monkeypatch.setattr(LiPCoT, "measure", spy)
    monkeypatch.setattr(codereader, "LEARNT", 10)
    LiPCoTPretrainer(**{**FAST, "max_steps": 1}).fit(frame(300, series=5))
    assert series_read == set(range(5))
