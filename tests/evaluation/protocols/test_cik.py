"""Context is Key: the scores, and the protocol on instances that are written here."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from tests.command import command
from tslm.core.errors import DataError
from tslm.data.datasets.context_is_key import Instance, load
from tslm.evaluation.metrics.context_is_key import WORST, averages, crps, score, violation


def row(**changed: Any) -> dict[str, Any]:
    """Return one line of the file: three days of hours, and a day to forecast."""
    times = pd.date_range("2024-01-01", periods=96, freq="h")
    values = 10 + np.sin(np.arange(96) * 2 * np.pi / 24) + 0.1 * (np.arange(96) % 7)
    written = [
        json.dumps(
            {"load": {t.isoformat(): v for t, v in zip(times[part], values[part], strict=True)}}
        )
        for part in (slice(72), slice(72, None))
    ]
    return {
        "name": "a",
        "seed": 1,
        "weight": "1/3",
        "context_sources": ["c_f"],
        "background": "This is the load of a city.",
        "scenario": "",
        "constraints": "",
        "seasonal_period": 24,
        "past_time": written[0],
        "future_time": written[1],
        "metric_scaling": 0.5,
        "region_of_interest": [],
        "constraint_min": None,
        "constraint_max": None,
        "constraint_variable_max_index": [],
        "constraint_variable_max_values": [],
        **changed,
    }


def written(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "instances.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    return path


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    return load(written(tmp_path, row()))[0][0]


def exact(instance: Instance) -> np.ndarray:
    return np.tile(instance.truth, (100, 1))


def test_crps_of_a_single_value_is_the_absolute_error() -> None:
    assert_allclose(crps(np.array([3.0]), np.full((50, 1), 1.0)), 2.0)


def test_crps_of_samples_tends_to_that_of_their_distribution() -> None:
    drawn = np.random.default_rng(0).normal(size=(200_000, 1))
    assert_allclose(crps(np.zeros(1), drawn), (np.sqrt(2) - 1) / np.sqrt(np.pi), atol=2e-3)


def test_perfect_samples_score_zero_and_a_failure_the_worst(instance: Instance) -> None:
    assert score(instance, exact(instance)) == pytest.approx(0, abs=1e-12)
    assert score(instance, None) == WORST
    assert score(instance, exact(instance) * np.nan) == WORST


def test_half_of_the_score_lies_in_the_region(tmp_path: Path) -> None:
    one = load(written(tmp_path, row(region_of_interest=[0, 1])))[0][0]
    samples = exact(one)
    samples[:, :2] += 4
    assert score(one, samples) == pytest.approx(0.5 * 4 / 2)


def test_each_bound_that_samples_cross_is_a_violation(tmp_path: Path) -> None:
    bounds = {"constraint_variable_max_index": [3], "constraint_variable_max_values": [0.0]}
    one = load(written(tmp_path, row(constraint_min=20.0, constraint_max=8.0, **bounds)))[0][0]
    ten = np.full((100, 24), 10.0)
    assert_allclose(violation(one, ten), 0.5 * (10 + 2 + 10))


def test_averages_weigh_instances_and_leave_out_sources_that_none_has(tmp_path: Path) -> None:
    heavy = row(weight="1", context_sources=["c_cov"])
    pair = load(written(tmp_path, row(), heavy))[0]
    assert averages(pair, [1.0, 2.0]) == pytest.approx(
        {"average": (1 / 3 + 2) / (4 / 3), "future": 1.0, "covariate": 2.0}
    )


def test_a_line_without_a_field_is_named(tmp_path: Path) -> None:
    short = row()
    del short["future_time"]
    with pytest.raises(DataError, match="line 2 has no field 'future_time'"):
        load(written(tmp_path, row(), short))


def test_the_command_writes_scores_and_samples(tmp_path: Path) -> None:
    file, out = written(tmp_path, row(), row(seed=2)), tmp_path / "out.json"
    assert command("benchmark", "benchmark=cik", f"instances={file}", "reads=[]", f"out={out}") == 0
    (record,) = json.loads(out.read_text())
    assert record["failed"] == 0
    assert record["average"] == pytest.approx(record["future"])
    assert np.shape(record["instances"][1]["samples"]) == (100, 24)


def test_bounds_given_by_the_data_hold_for_every_sample(tmp_path: Path) -> None:
    file = written(tmp_path, row(constraint_min=9.5, constraint_max=10.5))
    out = tmp_path / "out.json"
    words = (f"instances={file}", "reads=[given]", f"out={out}")
    assert command("benchmark", "benchmark=cik", *words) == 0
    samples = np.array(json.loads(out.read_text())[0]["instances"][0]["samples"])
    assert 9.5 <= samples.min() < samples.max() <= 10.5


def test_a_missing_file_is_an_error_of_the_user(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("benchmark", "benchmark=cik", f"out={tmp_path / 'out.json'}") == 2
    assert "Give instances=FILE.jsonl.gz" in capsys.readouterr().err


def test_series_in_the_text_are_read_as_covariates(tmp_path: Path) -> None:
    times = pd.date_range("2024-01-01", periods=96, freq="h")
    level = np.where(np.arange(96) // 6 % 2, 5.0, 1.0)
    steps = "; ".join(
        f"at {t} the load becomes {v}" for t, v in zip(times[::6], level[::6], strict=True)
    )
    noise = np.random.default_rng(0).normal(0, 0.05, 96)
    past, future = (
        json.dumps({"y": dict(zip(map(str, times[part]), (3 * level + noise)[part], strict=True))})
        for part in (slice(72), slice(72, None))
    )
    file = written(tmp_path, row(past_time=past, future_time=future, scenario=steps))
    scores = []
    for reads in ("reads=[]", "reads=[series]"):
        words = (f"instances={file}", reads, f"out={tmp_path / 'out.json'}")
        assert command("benchmark", "benchmark=cik", "model=climatology", *words) == 0
        scores.append(json.loads((tmp_path / "out.json").read_text())[0]["average"])
    assert scores[1] < 0.3 * scores[0]
