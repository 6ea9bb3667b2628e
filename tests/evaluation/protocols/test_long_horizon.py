"""The published protocol, by the verb that runs it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.command import command
from tslm import ConfigError
from tslm.core.config.compose import compose
from tslm.core.config.validation import complete
from tslm.data.datasets.benchmarks import Benchmark, Borders
from tslm.evaluation.protocols.long_horizon import run

pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")
TINY = ["backbone=tiny", "max_steps=4", "accelerator=cpu", "verbose=0", "batch_size=16"]
TINY += ["context_length=48", "adapter.patch_len=12"]


def records(*words: str) -> list[dict[str, Any]]:
    return list(run(complete(compose("verb/benchmark", list(words)))))


def test_the_last_value_on_etth1_has_the_published_errors(tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    words = ["benchmark=etth1", "model=last", "context_length=96", "horizons=[96]"]
    assert command("benchmark", *words, f"out={out}") == 0
    (record,) = json.loads(out.read_text())
    assert (round(record["mse"], 4), round(record["mae"], 4)) == (1.2944, 0.7132)
    assert (record["windows"], record["channels"]) == (2785, 7)
    assert (record["benchmark"], record["model"], record["horizon"]) == ("ETTh1", "last", 96)
    assert record["trainable_parameters"] == 0


def test_the_last_value_on_the_small_sets(monkeypatch: Any) -> None:
    (ili,) = records("benchmark=ili", "model=last", "horizons=[24]", "context_length=36")
    assert (round(ili["mse"], 4), round(ili["mae"], 4)) == (6.2133, 1.6222)
    assert ili["windows"] == 170


def test_what_the_calendar_explains_counts_where_windows_are_scored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    time = 1_704_067_200 + 3600 * np.arange(24 * 140)  # from a Monday on
    weekend = (np.arange(len(time)) // 24 % 7 >= 5).astype(float)
    noise = np.random.default_rng(0).normal(0, 0.1, len(time))
    columns, values = ("a",), (10 * weekend + noise)[:, None]
    ends = Borders(24 * 84, 24 * 98, 24 * 140)
    data = Benchmark("weeks", columns, values, time, ends, 24, "h", (24,))
    monkeypatch.setattr("tslm.evaluation.protocols.long_horizon.load", lambda name: data)
    words = ["model=seasonal_naive", "context_length=48", "horizons=[24]"]
    (plain,), (informed,) = records(*words), records(*words, "calendar=true")
    assert informed["windows"] == plain["windows"] > 900
    assert informed["mse"] < 0.1 * plain["mse"]


@pytest.fixture(scope="module")
def ili() -> list[dict[str, Any]]:
    return records("benchmark=ili", "horizons=[24,36]", "seeds=[0,1]", *TINY)


def test_records_have_every_seed_and_horizon_and_the_baselines(
    ili: list[dict[str, Any]],
) -> None:
    rows = [(r["model"], r["seed"], r["horizon"]) for r in ili]
    mine = [("AutoTimes", seed, h) for seed in (0, 1) for h in (24, 36)]
    rules = ("last", "seasonal_naive", "profile_ar")
    assert rows == mine + [(name, None, h) for name in rules for h in (24, 36)]
    assert [r["windows"] for r in ili] == [170, 158] * 5
    assert ili[0]["mse"] != ili[2]["mse"]


def test_records_have_the_promised_fields(ili: list[dict[str, Any]]) -> None:
    promised = "benchmark model horizon mse mae windows trainable_parameters train_seconds config"
    for record in ili:
        assert set(promised.split()) <= set(record)
        assert np.isfinite([record["mse"], record["mae"]]).all()
        json.dumps(record)
    first = ili[0]
    # a segment of 12 into 48 dimensions and back
    assert first["trainable_parameters"] == 12 * 48 + 48 + 48 * 12 + 12
    assert first["train_seconds"] > 0
    assert (first["config"]["context_length"], first["config"]["h"]) == (48, 24)
    assert first["config"]["adapter"]["patch_len"] == 12
    assert first["config"]["choices"]["adapter"] == "autotimes"
    assert first["backbone"] == "tiny"
    assert [e["model"] for e in first["validation"]["entries"]][1:] == [
        "last",
        "seasonal_naive",
        "profile_ar",
    ]


def test_one_rollout_scores_every_horizon_like_its_own_run(ili: list[dict[str, Any]]) -> None:
    from tslm.data.datasets.benchmarks import load
    from tslm.evaluation.protocols.long_horizon import fit_and_score, forecaster

    cfg = complete(compose("verb/benchmark", ["benchmark=ili", *TINY]))
    data = load("ili")
    model = forecaster(cfg, data, 24, 0)  # trained for 24, as in the run of both
    (alone,) = fit_and_score(cfg, data, [36], model)
    together = ili[1]
    assert alone["windows"] == together["windows"] == 158
    assert alone["mse"] == pytest.approx(together["mse"], rel=1e-4)
    assert alone["mae"] == pytest.approx(together["mae"], rel=1e-4)


def test_the_test_part_trains_nothing(monkeypatch: Any) -> None:
    from tslm.data.datasets.benchmarks import load
    from tslm.evaluation.protocols.long_horizon import fit_and_score, forecaster

    cfg = complete(compose("verb/benchmark", ["benchmark=ili", "stride=20", *TINY]))
    data = load("ili")
    values = data.values.copy()
    values[data.borders.val_end :] *= 3
    models = []
    for given in (data, replace(data, values=values)):
        models.append(forecaster(cfg, given, 24, 0))
        list(fit_and_score(cfg, given, [24], models[-1]))
    one, two = (model.model_.state_dict() for model in models)
    assert all(bool((one[name] == two[name]).all()) for name in one)
    assert models[0].verdict_ == models[1].verdict_


ELSEWHERE = ["fit_on=source", "horizons=[24]", "stride=5"]


@pytest.fixture
def sets(monkeypatch: pytest.MonkeyPatch) -> dict[str, Benchmark]:
    """Two small sets with columns of the same names, on other levels; the second is scored."""
    time = 3600 * np.arange(24 * 40)
    ends = Borders(24 * 20, 24 * 28, 24 * 40)
    made = {}
    for number, name in enumerate(("source", "target")):
        values = np.random.default_rng(number).normal(0, 1, (len(time), 2)).cumsum(0)
        values = (1 + 9 * number) * values + 100 * number
        made[name] = Benchmark(name, ("a", "b"), values, time, ends, 24, "h", (24,))
    monkeypatch.setattr(
        "tslm.evaluation.protocols.long_horizon.load",
        lambda given: made[given if isinstance(given, str) else "target"],
    )
    return made


def test_a_transferred_model_is_scored_on_the_windows_of_its_target(
    sets: dict[str, Benchmark],
) -> None:
    found = records(*ELSEWHERE, "baselines=[last,profile_ar]", *TINY)
    assert [(r["benchmark"], r["fitted_on"]) for r in found] == [("target", "source")] * 3
    (here,) = records(*ELSEWHERE[1:], "model=last", "context_length=48")
    assert here["fitted_on"] == "target"
    assert found[0]["windows"] == here["windows"] == (24 * 12 - 24) // 5 + 1
    (there,) = records(*ELSEWHERE, "model=last", "context_length=48")
    assert there["mse"] == here["mse"]  # on the scale of the target


def test_a_transferred_model_learns_only_the_scale_of_its_target(
    sets: dict[str, Benchmark],
) -> None:
    target = sets["target"]
    ends, values = target.borders, target.values

    def scored(values: np.ndarray) -> tuple[float, dict[str, Any]]:
        sets["target"] = replace(target, values=values)
        # a linear map with a bias: unlike an adapter, its forecasts depend on the scale
        words = ["model=dlinear", "context_length=48", "max_steps=4", "verbose=0"]
        (record,) = records(*ELSEWHERE, *words)
        return record["mse"], record["validation"]

    whole = scored(values)
    row = np.arange(len(values))[:, None]
    validated = (row >= ends.train_end) & (row < ends.val_end - 48)  # by a fit on the target
    assert scored(np.where(validated, 5 * values, values)) == whole
    mse, validation = scored(7 * values + 1e4)  # in another unit
    assert (mse, validation) == (pytest.approx(whole[0], rel=1e-3), whole[1])
    mse, validation = scored(np.where(row >= ends.val_end, values + 10, values))
    assert validation == whole[1]
    assert mse != whole[0]  # the scale never sees the test part, the errors do


def test_a_frequency_that_does_not_match_is_refused(sets: dict[str, Benchmark]) -> None:
    sets["source"] = replace(sets["source"], freq="W")
    with pytest.raises(
        ConfigError, match=r"source has the frequency W and target has h.*with the frequency h"
    ):
        records(*ELSEWHERE, "model=last")


def test_a_stride_thins_the_windows_out() -> None:
    (record,) = records("benchmark=ili", "model=mean", "horizons=[24]", "stride=10")
    assert record["windows"] == 17


def test_an_unknown_model_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"Did you mean profile_ar\?"):
        records("benchmark=ili", "model=profil_ar")
