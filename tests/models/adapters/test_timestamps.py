"""Timestamps as text: which row they name, and that each sentence is read once."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.rollouts import rollout as rollout_named
from tslm.core.calendar import Calendar
from tslm.core.errors import ConfigError
from tslm.core.types import Batch, Task
from tslm.data.batches import final_contexts
from tslm.data.frame import Columns, read_frame
from tslm.data.panel import Panel
from tslm.data.window_times import start_times
from tslm.data.windows import Windows
from tslm.models.adapters.autotimes import AutoTimes
from tslm.models.adapters.timestamps import Timestamps
from tslm.models.backbones.loading import load
from tslm.models.decoders.segment import SegmentDecoder
from tslm.models.forecast_model import ForecastModel
from tslm.models.lexicon import Lexicon

S, N = 4, 3
L = S * N
ORIGIN = pd.Timestamp("2024-01-01")
TEMPLATE = "From {start} to {end}"


class Diary(Lexicon):
    """Reads "From start to end" as [row of start, row of end, 0, 0, ...], rows being hours."""

    def __init__(self, width: int = 48, key: str = "diary") -> None:
        self._width, self._key = width, key
        self.seen: list[str] = []

    @property
    def width(self) -> int:
        return self._width

    @property
    def key(self) -> str:
        return self._key

    @property
    def words(self) -> Tensor:
        return torch.zeros(1, self._width)

    @property
    def tokenizer(self) -> None:
        return None

    def tokenize(self, sentences: Sequence[str], pool: str = "last_text") -> list[list[int]]:
        return [[] for _ in sentences]

    def read(self, sentences: Sequence[str], pool: str = "last_text") -> Tensor:
        self.seen += sentences
        states = torch.zeros(len(sentences), self._width)
        for state, sentence in zip(states, sentences, strict=True):
            dates = re.findall(r"\d+-\d+-\d+ \d+:\d+:\d+", sentence)
            for place, date in enumerate(dates):
                state[place] = (pd.Timestamp(date) - ORIGIN) / pd.Timedelta("1h")
        return states


def test_a_cache_that_cannot_be_written_is_done_without(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", full)
    task = Task(L, S, freq="h", dated=True)
    stamps = Timestamps(Diary(), task, S, TEMPLATE, "last_text")
    for rows in ([0, 4, 8], [4, 12]):
        stamps.prepare(at(rows))
        assert stamps(at(rows)[None])[0, :, 0].tolist() == rows
    assert not cache.exists()


def at(rows: Sequence[int] | Tensor) -> Tensor:
    """Unix seconds of rows, counted in hours from the origin."""
    return torch.as_tensor(rows) * 3600 + int(ORIGIN.timestamp())


def timestamps(lexicon: Lexicon | None = None, **changed: Any) -> Timestamps:
    task = Task(L, S, freq=changed.pop("freq", "h"), dated=True, tz=changed.pop("tz", None))
    settings = {"patch_len": S, "template": TEMPLATE, "pool": "last_text", **changed}
    return Timestamps(lexicon or Diary(), task, **settings)


def model_of(lexicon: Lexicon, rollout: str = "cached") -> ForecastModel:
    body, task = load("tiny"), Task(L, S, freq="h", dated=True)
    adapter = AutoTimes(lexicon=lexicon, task=task, patch_len=S, timestamps="text")
    decoder = SegmentDecoder(width=body.width, layout=adapter.layout, task=task)
    rolled = rollout_named(rollout, body, adapter)
    model = ForecastModel(adapter=adapter, backbone=body, decoder=decoder, rollout=rolled)
    return model.eval()


def rows_read(model: ForecastModel) -> list[Tensor]:
    """Return the rows of start and end that the model reads, call by call."""
    found: list[Tensor] = []
    model.adapter.timestamps.register_forward_hook(lambda _m, _a, out: found.append(out[..., :2]))
    return found


def test_a_segment_has_the_time_it_spans_itself(cache: Path) -> None:
    model, rows = model_of(Diary()), torch.tensor([[5], [117]]) + torch.arange(L)
    model.prepare(at(rows).flatten())
    found = rows_read(model)
    model(torch.ones(2, L, 3), at(rows))
    (looked_up,) = found
    for window, first in enumerate((5, 117)):
        for channel in range(3):
            spans = looked_up[3 * window + channel].tolist()
            assert spans == [[first + i * S, first + i * S + S - 1] for i in range(N)]


@pytest.mark.parametrize("rollout", ["cached", "sliding"])
def test_a_forecast_segment_has_the_time_it_will_have(cache: Path, rollout: str) -> None:
    model, first = model_of(Diary(), rollout), 40
    time = at(first + torch.arange(L + 3 * S))[None]
    model.prepare(time.flatten())
    found = rows_read(model)
    model.forecast(Batch.of(torch.ones(1, L, 1), time), 3 * S - 1)
    starts = [call[0, :, 0].tolist() for call in found]
    context = [first + i * S for i in range(N)]
    if rollout == "cached":  # step j appends the row s + L + (j - 1) S
        assert starts == [context, [first + L], [first + L + S]]
    else:
        assert starts == [[row + j * S for row in context] for j in range(3)]


def test_padding_before_a_short_series_can_be_looked_up(cache: Path) -> None:
    ds = [ORIGIN + pd.Timedelta(hours=h) for h in (*range(100, 105), *range(100, 140))]
    ids = ["short"] * 5 + ["long"] * 40
    table = pd.DataFrame({"unique_id": ids, "ds": ds, "y": np.arange(45.0)})
    frame = read_frame(table, columns=Columns(), freq="h")
    panel = Panel.from_frame(frame)
    lexicon = Diary()
    model = model_of(lexicon)
    windows = Windows(panel, context_length=L, future_length=S)
    model.prepare(start_times(windows, S))
    read = len(lexicon.seen)
    batch = windows.cut(torch.arange(len(windows)))
    assert torch.isnan(batch.past).any()
    found = rows_read(model)
    assert torch.isfinite(model.loss(batch))
    assert len(lexicon.seen) == read
    expected = (batch.time[:, :L:S] - at([0])) // 3600
    assert torch.equal(found[0][..., 0].long(), expected)
    last = final_contexts(panel, frame.calendar, context_length=L, horizon=2 * S)
    model.prepare(last.time[:, ::S].flatten())
    assert torch.isfinite(model.forecast(last, 2 * S)).all()


def test_what_has_been_read_is_not_read_again(cache: Path) -> None:
    lexicon = Diary()
    first = timestamps(lexicon)
    first.prepare(at([3, 1, 3, 2]))
    assert len(lexicon.seen) == 3
    first.prepare(at([1, 2]))
    first.prepare(at([2, 4]))
    assert len(lexicon.seen) == 4
    again = timestamps(lexicon)
    again.prepare(at([1, 2, 3, 4]))
    assert len(lexicon.seen) == 4
    assert again(at([[4, 1]]))[0, :, 0].tolist() == [4, 1]


def test_the_file_gives_back_the_same_bits(cache: Path) -> None:
    lexicon, times = load("tiny").lexicon, at(range(30))
    first, second = timestamps(lexicon), timestamps(lexicon)
    first.prepare(times)
    before = first.path.read_bytes()
    second.prepare(times)
    assert torch.equal(second(times[None]), first(times[None]))
    assert torch.equal(load_file(first.path)["table"], first.table)
    assert first.path.read_bytes() == before
    assert first.path.is_relative_to(cache)
    assert first.table.dtype == torch.float16
    assert not list(first.path.parent.glob("*.part"))


def test_an_embedding_depends_on_nothing_else_that_was_read(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lexicon, times = load("tiny").lexicon, at(range(0, 60, 7))
    together = timestamps(lexicon)
    together.prepare(at(range(60)))
    monkeypatch.setenv("TSLM_CACHE", str(cache / "other"))
    alone = timestamps(lexicon)
    for time in times.flip(0):
        alone.prepare(time[None])
    assert len(alone.time) == len(times)
    torch.testing.assert_close(alone(times[None]), together(times[None]), rtol=2e-3, atol=1e-3)
    plain = [
        TEMPLATE.format(start=s, end=e)
        for s, e in zip(*Calendar("h").spans(times.numpy(), S), strict=True)
    ]
    expected = torch.cat([lexicon.read([sentence]) for sentence in plain])
    torch.testing.assert_close(alone(times[None])[0].float(), expected, rtol=2e-3, atol=1e-3)


def test_files_differ_where_anything_does(cache: Path) -> None:
    changes = [
        {},
        {"lexicon": Diary(key="another model")},
        {"template": "{start}, {end}"},
        {"pool": "eos"},
        {"patch_len": 8},
        {"freq": "15min"},
        {"tz": "Europe/Berlin"},
    ]
    assert len({timestamps(**change).path for change in changes}) == len(changes)
    assert timestamps().path == timestamps().path


def test_two_depths_of_a_backbone_have_different_keys() -> None:
    assert load("tiny", 1).lexicon.key != load("tiny", 2).lexicon.key


def test_a_sentence_has_local_time(cache: Path) -> None:
    lexicon = Diary()
    timestamps(lexicon, tz="Europe/Berlin").prepare(at([0]))
    assert lexicon.seen == ["From 2024-01-01 01:00:00 to 2024-01-01 04:00:00"]


def test_without_timestamps_no_sentence_is_read_or_cached(cache: Path) -> None:
    lexicon = Diary()
    adapter = AutoTimes(lexicon=lexicon, task=Task(L, S, freq="h", dated=True), patch_len=S)
    adapter.prepare(at(range(10)))
    assert not lexicon.seen
    assert not cache.exists()


def test_saved_weights_leave_the_embeddings_out(cache: Path) -> None:
    model = model_of(Diary())
    model.prepare(at(range(10)))
    assert not [name for name in model.state_dict() if "timestamps" in name]


@pytest.mark.parametrize("template", ["From {start} to {stop}", "{start} {", "{} {start}"])
def test_a_template_that_cannot_be_filled_in_is_refused(template: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot be filled in.* \{start\} and \{end\} only"):
        timestamps(template=template)


def test_a_template_must_name_a_time() -> None:
    with pytest.raises(ConfigError, match=r"'some time' has neither \{start\} nor \{end\}"):
        timestamps(template="some time")
    timestamps(template="{start:>30}")


def test_shuffled_timestamps_have_the_sentences_of_other_times(cache: Path) -> None:
    rows = torch.arange(200)
    plain, shuffled = Diary(), Diary()
    timestamps(plain).read(at(rows))
    found = timestamps(shuffled, shuffled=True).read(at(rows))
    assert found.shape == (200, 48)
    assert len(set(shuffled.seen)) > 190
    assert len(set(shuffled.seen) & set(plain.seen)) < 20
    again = Diary()
    timestamps(again, shuffled=True).read(at(rows[50:60]))
    assert again.seen == shuffled.seen[50:60]
    assert timestamps(shuffled=True).path != timestamps().path
