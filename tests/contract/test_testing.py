"""The checks for forecasters pass on ours, and catch what they are for."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tslm import BaselineForecaster, TSLMForecaster
from tslm.core.config.choices import choices
from tslm.core.types import Context, Tokens
from tslm.models.adapters.autotimes import AutoTimes
from tslm.models.forecast_model import ForecastModel
from tslm.testing import CHECKS, check_forecaster, forecaster_checks

pytestmark = [
    pytest.mark.filterwarnings("ignore:On .* validation windows"),
    pytest.mark.filterwarnings("ignore:.*missing"),
]


@pytest.mark.parametrize("name", ["seasonal_naive", "dlinear", "itransformer"])
def test_baselines_pass_every_check(name: str) -> None:
    check_forecaster(BaselineForecaster(name))


@pytest.mark.parametrize("adapter", choices("adapter"))
def test_every_adapter_keeps_every_promise(adapter: str) -> None:
    check_forecaster(TSLMForecaster(base=None, adapter=adapter))


@pytest.mark.parametrize("adapter", ["autotimes", "variates"])
def test_series_that_are_read_together_keep_every_promise(adapter: str) -> None:
    check_forecaster(TSLMForecaster(base=None, adapter=adapter, multivariate="tokens"))


def neighbours(self: AutoTimes, context: Context) -> Tokens:
    tokens = FORWARD(self, context)
    return Tokens(tokens.embeds + tokens.embeds.mean(0), tokens.mask)


def deaf(self: AutoTimes, context: Context) -> Tokens:
    tokens = FORWARD(self, context)
    return Tokens(tokens.embeds.detach(), tokens.mask)


def absolute(self: ForecastModel, *args: Any) -> torch.Tensor:
    return ROLL(self, *args) * torch.nan


def moody(self: AutoTimes, context: Context) -> Tokens:
    tokens = FORWARD(self, context)
    return Tokens(tokens.embeds + MOOD.pop(), tokens.mask)


FORWARD: Callable[..., Tokens] = AutoTimes.forward
ROLL: Callable[..., torch.Tensor] = ForecastModel.roll
MOOD = [float(number) for number in range(10_000)]


@pytest.mark.parametrize(
    ("owner", "method", "replaced", "broken"),
    [
        (AutoTimes, "forward", neighbours, "series_are_forecast_alone"),
        (AutoTimes, "forward", deaf, "every_weight_is_trained: AssertionError: adapter.embed"),
        (AutoTimes, "forward", moody, "a_seed_gives_the_same_bits"),
        (ForecastModel, "roll", absolute, "there_is_a_row_a_step"),
    ],
)
def test_a_failed_check_is_named(
    owner: type, method: str, replaced: Any, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, method, replaced)
    with pytest.raises(AssertionError, match="promises are broken") as caught:
        check_forecaster(TSLMForecaster(base=None, adapter="autotimes"))
    assert broken in str(caught.value)


def test_checks_have_names_and_sentences() -> None:
    names = [check.__name__ for check in forecaster_checks(TSLMForecaster(base=None))]
    assert names == [check.__name__ for check in CHECKS]
    assert all(check.__doc__ for check in CHECKS)
