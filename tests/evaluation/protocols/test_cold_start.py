"""Cold starts: series held out of fit are forecast from their titles."""

import pytest
from omegaconf import open_dict

from tslm.core.config.compose import compose
from tslm.data.datasets.titled import load
from tslm.evaluation.protocols import cold_start

WORDS = ["benchmark=cold_start", "benchmark.splits=1", "benchmark.histories=[0,3]"]


@pytest.mark.data
def test_every_reader_forecasts_the_series_held_out_with_and_without_rows():
    cfg = compose("verb/benchmark", [*WORDS, "text_reader=tiny"])
    with open_dict(cfg):
        del cfg.benchmark.sets["aus_retail"]
    records = list(cold_start.run(cfg))
    assert len(records) == 12
    arms = [record["model"] for record in records[:6]]
    assert arms[0] == "pretrained"
    for record in records:
        histories = {"3"} if record["model"] == "without titles" else {"0", "3"}
        assert set(record["histories"]) == histories
        assert record["mae"] > 0


@pytest.mark.data
@pytest.mark.parametrize("held", ["groups", "series"])
def test_splits_hold_out_other_series_before_other_origins(held):
    cfg = compose("verb/benchmark", WORDS[:1])
    data = load("aus_retail", cfg.benchmark.sets["aus_retail"])
    one, two, three = cold_start.splits(cfg, data, held)
    assert len({split.held.tobytes() for split in (one, two, three)}) == 3
    assert one.end - two.end == 12
    cfg.benchmark.first_split = 2
    other = next(cold_start.splits(cfg, data, held))
    assert (other.held == three.held).all()
    assert other.end == three.end
    if held == "groups":
        groups = {group for group, out in zip(data.groups, one.held, strict=True) if out}
        kept = {group for group, out in zip(data.groups, one.held, strict=True) if not out}
        assert not groups & kept
