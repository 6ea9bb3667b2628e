"""Checks of what every forecaster promises, for authors of adapters.

    from tslm import TSLMForecaster
    from tslm.testing import check_forecaster

    check_forecaster(TSLMForecaster(adapter="mine", base=None))

or one test a promise: ``@pytest.mark.parametrize("check", forecaster_checks(...))``.
"""

import tempfile
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.base import clone

from tslm.core.errors import ConfigError, NotFittedError
from tslm.core.spec import Spec
from tslm.core.types import Batch
from tslm.estimators.trained_forecaster import TrainedForecaster
from tslm.models.backbones.loading import load
from tslm.models.forecast_model import ForecastModel

SMALL = {
    "h": 6,
    "backbone": "tiny",
    "max_steps": 3,
    "max_epochs": None,
    "accelerator": "cpu",
    "random_state": 0,
    "verbose": 0,
    "id_col": "unique_id",
    "time_col": "ds",
    "target_col": "y",
}
CLOSE = 1e-3
SPOKEN = 5e-2  # of a spread: numbers said in words are rounded


class Subject:
    """A forecaster at a size that trains in a second, and what it makes of random walks."""

    def __init__(self, forecaster: TrainedForecaster) -> None:
        known = forecaster.get_params(deep=False)
        self.model: TrainedForecaster = clone(forecaster)
        self.model.set_params(**{name: value for name, value in SMALL.items() if name in known})
        self.frame = walks()

    @cached_property
    def fitted(self) -> TrainedForecaster:
        return self.fit(self.frame)

    def fit(self, frame: pd.DataFrame, **settings: Any) -> TrainedForecaster:
        model: TrainedForecaster = clone(self.model)
        return model.set_params(**settings).fit(frame)

    @cached_property
    def ahead(self) -> pd.Series:
        return self.values(self.fitted.predict())

    def values(self, forecast: pd.DataFrame) -> pd.Series:
        """Forecasts by id and time."""
        return forecast.set_index(["unique_id", "ds"])[self.model.name].sort_index()


def walks() -> pd.DataFrame:
    """Three hourly random walks of different lengths with a daily season; they end together."""
    dice = np.random.default_rng(0)
    parts = []
    for name, rows, level in (("b", 260, 20.0), ("a", 200, -300.0), ("c", 230, 0.0)):
        steps = np.arange(rows)
        y = level + dice.standard_normal(rows).cumsum() + 3 * np.sin(steps / 24 * 2 * np.pi)
        times = pd.date_range(end="2024-03-11 08:00", periods=rows, freq="h")
        parts.append(pd.DataFrame({"unique_id": name, "ds": times, "y": y}))
    return pd.concat(parts, ignore_index=True)


def check_parameters_are_stored_as_they_are(subject: Subject) -> None:
    """``__init__`` stores, ``clone`` copies, ``fit`` changes no parameter."""
    before = subject.model.get_params(deep=False)
    assert clone(subject.model).get_params(deep=False) == before
    assert subject.fitted.get_params(deep=False) == before


def check_nothing_is_forecast_before_fit(subject: Subject) -> None:
    """A forecaster that is not fitted says so."""
    try:
        clone(subject.model).predict()
    except NotFittedError:
        return
    raise AssertionError("predict() before fit() raised no NotFittedError")


def check_an_unknown_option_is_named(subject: Subject) -> None:
    """A wrong option of a part is an error that lists the right ones."""
    for part in subject.model.parts:
        given = getattr(subject.model, part)
        if given is None:
            continue
        spec = Spec(Spec.of(given).name, no_such_option=1)
        try:
            clone(subject.model).set_params(**{part: spec}).fit(subject.frame)
        except ConfigError as error:
            assert "no_such_option" in str(error), f"{part}: {error}"
        else:
            raise AssertionError(f"{part} took an option it does not have")


def check_there_is_a_row_a_step(subject: Subject) -> None:
    """Each series goes on after its last row, step by step, in finite numbers."""
    forecast = subject.fitted.predict()
    assert list(forecast.columns) == ["unique_id", "ds", subject.model.name]
    assert np.isfinite(forecast[subject.model.name]).all()
    last = subject.frame.groupby("unique_id").ds.max()
    for name, rows in forecast.groupby("unique_id"):
        wanted = pd.date_range(last[name], periods=7, freq="h")[1:]
        assert list(rows.ds) == list(wanted), f"{name}: {list(rows.ds)}"


def check_any_horizon_can_be_forecast(subject: Subject) -> None:
    """Fewer steps are the first ones, more steps go on from there."""
    for horizon in (1, 13):
        values = subject.values(subject.fitted.predict(h=horizon))
        assert len(values) == 3 * horizon
        both = values.index.intersection(subject.ahead.index)
        assert np.allclose(values[both], subject.ahead[both], CLOSE, CLOSE)
        assert np.isfinite(values).all()


def check_series_are_forecast_alone(subject: Subject) -> None:
    """Neither company nor the order of rows changes a forecast."""
    if subject.fitted.forecaster_.multivariate:
        return  # it reads all series together, and says so
    shuffled = subject.frame.sample(frac=1, random_state=0)
    together = subject.values(subject.fitted.predict(shuffled))
    assert np.allclose(together, subject.ahead, CLOSE, CLOSE)
    for name in ("a", "b", "c"):
        rows = subject.frame[subject.frame.unique_id == name]
        alone = subject.values(subject.fitted.predict(rows))
        assert np.allclose(alone, subject.ahead.loc[[name]], CLOSE, CLOSE), f"series {name}"


def check_forecasts_have_the_units_of_the_series(subject: Subject) -> None:
    """Check that the forecast of ``a * y + b`` is ``a`` times that of ``y``, plus ``b``."""
    scaled = subject.frame.assign(y=40 * subject.frame.y - 7000)
    ahead = subject.values(subject.fit(scaled).predict())
    spread = float(subject.frame.groupby("unique_id").y.std().max())
    error = (ahead - (40 * subject.ahead - 7000)).abs().max() / 40
    assert error < SPOKEN * spread, f"off by {error / spread:.2g} of a spread"


def check_a_seed_gives_the_same_bits(subject: Subject) -> None:
    """The same ``random_state`` gives the same forecast, bit for bit."""
    again = subject.values(subject.fit(subject.frame).predict())
    assert np.array_equal(again, subject.ahead)


def check_gaps_and_short_series_are_fine(subject: Subject) -> None:
    """Missing values, missing rows and a few rows alone give finite forecasts."""
    frame = subject.frame.copy()
    frame.loc[frame.index % 7 == 0, "y"] = np.nan
    frame = frame.drop(index=frame.index[30:40])
    few = frame[frame.unique_id == "b"].tail(3).assign(unique_id="short")
    frame = pd.concat([frame, few], ignore_index=True)
    if subject.fitted.forecaster_.multivariate:
        return  # series read together are as long as each other
    ahead = subject.values(subject.fit(frame).predict())
    assert len(ahead) == 24
    assert np.isfinite(ahead).all()


def check_series_never_seen_can_be_forecast(subject: Subject) -> None:
    """``predict(df)`` continues series that were not there in ``fit``."""
    if subject.fitted.forecaster_.multivariate:
        return  # its series are those of fit
    new = walks().assign(unique_id=lambda frame: "new " + frame.unique_id)
    assert np.isfinite(subject.values(subject.fitted.predict(new))).all()


def check_a_constant_series_stays_near_its_level(subject: Subject) -> None:
    """A series that does not move is not blown up."""
    flat = subject.frame.assign(y=subject.frame.groupby("unique_id").y.transform("mean"))
    ahead = subject.values(subject.fitted.predict(flat, h=20))
    level = flat.groupby("unique_id").y.first()[ahead.index.get_level_values(0)].to_numpy()
    spread = float(subject.frame.groupby("unique_id").y.std().max())
    assert np.abs(ahead - level).max() < spread


def check_a_saved_model_forecasts_the_same(subject: Subject) -> None:
    """A folder of JSON and safetensors gives the same forecast, bit for bit."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        subject.fitted.save(path)
        again = type(subject.fitted).load(path)
        assert np.array_equal(subject.values(again.predict()), subject.ahead)


def check_the_body_stays_as_it_is(subject: Subject) -> None:
    """Training leaves every tensor of the frozen backbone bit-identical."""
    model = subject.fitted.forecaster_
    if not isinstance(model, ForecastModel) or subject.model.get_params()["freeze"] != "strict":
        return
    fresh = load("tiny", model.backbone.identity.n_layers).state_dict()
    for name, tensor in model.backbone.state_dict().items():
        assert torch.equal(tensor, fresh[name]), f"{name} of the backbone has changed"
    assert not any(weight.requires_grad for weight in model.backbone.parameters())


def check_every_weight_is_trained(subject: Subject) -> None:
    """Each trainable weight gets a finite gradient that is not 0 throughout."""
    model = subject.fitted.forecaster_
    if not model.trains:
        return
    length, multivariate = subject.fitted.context_length_, model.multivariate
    dice = torch.Generator().manual_seed(0)
    rows = torch.randn(8, length + model.step, 3 if multivariate else 1, generator=dice).cumsum(1)
    hours = 3600 * (470_000 + torch.arange(length + model.step)).repeat(8, 1)
    model.prepare(hours[0])
    model.zero_grad()
    model.loss(Batch(rows[:, :length], rows[:, length:], hours)).backward()
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            assert weight.grad is not None, f"{name} has no gradient"
            assert torch.isfinite(weight.grad).all(), f"the gradient of {name} is not finite"
            assert (weight.grad != 0).any(), f"the gradient of {name} is 0 throughout"
    model.zero_grad()


CHECKS: tuple[Callable[[Subject], None], ...] = (
    check_parameters_are_stored_as_they_are,
    check_nothing_is_forecast_before_fit,
    check_an_unknown_option_is_named,
    check_there_is_a_row_a_step,
    check_any_horizon_can_be_forecast,
    check_series_are_forecast_alone,
    check_forecasts_have_the_units_of_the_series,
    check_a_seed_gives_the_same_bits,
    check_gaps_and_short_series_are_fine,
    check_series_never_seen_can_be_forecast,
    check_a_constant_series_stays_near_its_level,
    check_a_saved_model_forecasts_the_same,
    check_the_body_stays_as_it_is,
    check_every_weight_is_trained,
)


def forecaster_checks(forecaster: TrainedForecaster) -> Iterator[Callable[[], None]]:
    """One callable a promise, to parametrize a test with; they share one fitted model.

    Args:
        forecaster: not fitted; it is tried in a copy on the tiny backbone, with a horizon of 6
            and three training steps. Its other settings stay.
    """
    subject = Subject(forecaster)
    for check in CHECKS:
        one = partial(check, subject)
        one.__name__ = check.__name__  # type: ignore[attr-defined]  # by which pytest calls it
        yield one


def check_forecaster(forecaster: TrainedForecaster) -> None:
    """Hold a forecaster to every promise.

    Args:
        forecaster: see ``forecaster_checks``.

    Raises:
        AssertionError: naming every promise that is broken, and how.
    """
    broken = []
    for check in forecaster_checks(forecaster):
        try:
            check()
        except Exception as error:
            name = check.__name__.removeprefix("check_")
            broken.append(f"{name}: {type(error).__name__}: {error}")
    if broken:
        raise AssertionError(
            f"{len(broken)} of {len(CHECKS)} promises are broken.\n" + "\n".join(broken)
        )
