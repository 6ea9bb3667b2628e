"""The protocol of generated statements, on the backbone ``tiny`` and one shipped set."""

import json
from pathlib import Path

import pytest

from tests.command import command


def test_readers_are_scored_beside_no_text_and_the_truth(tmp_path: Path) -> None:
    out = tmp_path / "statements.json"
    command(
        "benchmark",
        "benchmark=statements",
        "readers=[tiny@2,rules]",
        "sets=[bike]",
        "wordings=100",
        "statements=12",
        "seeds=[0]",
        f"out={out}",
    )
    records = json.loads(out.read_text())
    named = {(record["model"], record["part"]): record for record in records}
    parts = {part for _, part in named}
    assert parts == {"unseen wordings", "unseen kinds", "seen wordings"}
    for part in parts:
        none, oracle = named["none", part], named["oracle", part]
        assert oracle["mae"] < none["mae"]
        assert none["mae_of_none"] == oracle["mae_of_oracle"] == 1
        empty = named["tiny@2, text empty", part]
        assert empty["mae"] == none["mae"]  # no words, no effect
        assert named["rules", part]["mae_outside"] == pytest.approx(none["mae_outside"])
        difference = named["tiny@2 minus rules", part]
        assert difference["low"] <= difference["mae"] <= difference["high"]
