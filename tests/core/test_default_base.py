"""The base of each command, and of the estimator it makes: a mix where it forecasts."""

import pytest

from tslm.core.config.compose import compose
from tslm.estimators.factory import estimator_of
from tslm.estimators.tslm_forecaster import TSLMForecaster


@pytest.mark.parametrize(
    ("words", "base"),
    [
        ("fit", "auto"),
        ("backtest", "auto"),
        ("tune adapter=lipcot", "auto"),
        ("fit decoder=point", "auto"),
        ("fit base=null", None),
        ("fit base=null adapter=lipcot", "profile_ar"),
        ("fit base=none adapter=lipcot", "none"),
        ("fit model=dlinear", None),
        ("backtest experiment=autotimes_ett_paper", None),
        ("benchmark", None),
        ("ablate", None),
        ("speed", None),
        ("benchmark adapter=lipcot", "profile_ar"),
        ("benchmark base=auto", "auto"),
    ],
)
def test_commands_that_forecast_mix_and_those_that_measure_do_not(
    words: str, base: str | None
) -> None:
    verb, *rest = words.split()
    cfg = compose(f"verb/{verb}", rest)
    assert cfg.choices.get("base") == base
    if cfg.model is None:
        made = estimator_of(cfg).get_params(deep=False)["base"]
        assert made == base if base is None else made.name == base


def test_the_estimator_mixes_by_default() -> None:
    assert TSLMForecaster().base == "auto"
    assert compose("verb/fit").distribution == compose("verb/fit", ["base=auto"]).distribution
