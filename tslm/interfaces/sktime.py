"""Forecaster for sktime: series, panels and hierarchies, which keep their index.

Install with ``pip install tslm[sktime]``. https://www.sktime.net
"""

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from sktime.forecasting.base import BaseForecaster, ForecastingHorizon

from tslm.core.spec import Spec
from tslm.estimators.tslm_forecaster import TSLMForecaster as LongFrameForecaster


class TSLMForecaster(BaseForecaster):  # type: ignore[misc]  # sktime is untyped
    """Forecaster of sktime: a frozen language model with a trained adapter.

    All series it is given, of all instances and columns, train one adapter. ``pretrain`` trains it
    on a panel once; ``fit`` then only takes the series to continue. With a decoder such as
    "student_t", ``predict_quantiles`` needs no validation rows.

    Args:
        adapter: method that turns series into tokens. A name, or a ``Spec`` with options.
        backbone: the frozen language model: a name (tslm backbone list), a hub id, a folder or a
            .gguf file; or a control in its place, such as "none", "block" or "random:smollm2-135m".
        n_layers: number of first blocks of the backbone to use; "all" uses every block, "auto" lets
            validation choose. None takes the recommendation of the backbone.
        decoder: method that turns hidden states into values. None is the adapter's own decoder.
            "point", "quantile", "student_t" and "mixture" are the adapter's own decoder with that
            distribution of each value.
        base: "auto" is a mix of classical forecasts and that of the adapter; another name is the
            forecast that the adapter corrects: "profile", "profile_ar", "ridge" or "theta", or
            "none". None is the adapter alone, as published (lipcot corrects profile_ar). Validation
            weights the members of a mix. Otherwise training begins at the base forecast, and
            validation decides how much of the correction is used.
        h: steps to train for. None takes the horizon of ``fit`` or ``pretrain``; without a horizon,
            it takes a quarter of the longest series, at most 24. Longer horizons are rolled out.
        context_length: number of past steps that the model reads. None takes a length that suits
            the data.
        season_length: number of steps of the main season. None takes that of the frequency.
        prompt: description of the series for adapters that pass text to the language model. For
            example "Hourly load of a small town.". Names in braces are filled in for each series:
            "{store}, {city}: daily sales". They name the id column, or columns with one value per
            series. ``fit`` warns, or refuses names in braces, if the adapter does not read text.
        max_steps: number of training batches.
        learning_rate: the highest learning rate. None takes that of the adapter or baseline.
        batch_size: windows per training batch; "auto" takes the largest power of two that fits into
            memory. None takes that of the adapter or baseline. "auto" takes at most four times
            that. The number is in ``config_``.
        val_size: number of last rows of each series used for validation; 0 uses none. None takes a
            tenth of each series. That tenth is raised to ``h`` rows, or cut to 10 ``h`` rows.
        accelerator: device to train on, as in Lightning: auto, cpu, gpu and others.
        random_state: seed; the same seed gives the same bits on a CPU. None draws one.
        verbose: 0 is silent, 1 shows a progress bar.

    Examples:
        >>> from sktime.datasets import load_airline
        >>> from tslm.interfaces.sktime import TSLMForecaster
        >>> forecaster = TSLMForecaster(backbone="tiny", max_steps=2, random_state=0)
        >>> _ = forecaster.fit(load_airline(), fh=range(1, 13))
        >>> len(forecaster.predict())
        12
    """

    _tags: ClassVar[dict[str, Any]] = {
        "authors": ["tslm"],
        "maintainers": ["tslm"],
        "python_dependencies": None,
        "y_inner_mtype": ["pd.DataFrame", "pd-multiindex", "pd_multiindex_hier"],
        "X_inner_mtype": ["pd.DataFrame", "pd-multiindex", "pd_multiindex_hier"],
        "capability:multivariate": True,
        "capability:exogenous": False,
        "capability:missing_values": True,
        "capability:insample": False,
        "capability:pred_int": True,
        "capability:pred_int:insample": False,
        "capability:pretrain": True,
        "capability:update": True,
        "capability:random_state": True,
        "property:randomness": "derandomized",
        "requires-fh-in-fit": False,
    }
    _config: ClassVar[dict[str, Any]] = {"remember_data": False}  # rows are kept in context_
    _y: Any = None  # for those who turn that on afterwards
    _X: Any = None

    def __init__(
        self,
        adapter: str | Spec = "autotimes",
        backbone: str = "smollm2-135m",
        n_layers: int | str | None = None,
        decoder: str | Spec | None = None,
        base: str | Spec | None = "auto",
        h: int | None = None,
        context_length: int | None = None,
        season_length: int | None = None,
        prompt: str | None = None,
        max_steps: int = 1000,
        learning_rate: float | None = None,
        batch_size: int | str | None = None,
        val_size: int | None = None,
        accelerator: str = "auto",
        random_state: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.adapter = adapter
        self.backbone = backbone
        self.n_layers = n_layers
        self.decoder = decoder
        self.base = base
        self.h = h
        self.context_length = context_length
        self.season_length = season_length
        self.prompt = prompt
        self.max_steps = max_steps
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.val_size = val_size
        self.accelerator = accelerator
        self.random_state = random_state
        self.verbose = verbose
        super().__init__()

    def _fit(
        self, y: pd.DataFrame, X: pd.DataFrame | None, fh: ForecastingHorizon | None
    ) -> "TSLMForecaster":
        self.context_ = y
        if not hasattr(self, "pretrained_"):
            self.model_ = self._trained(_Long(y), _reach(fh, self.cutoff))
        else:
            self.model_ = self.pretrained_
        return self

    def _update(
        self, y: pd.DataFrame, X: pd.DataFrame | None = None, update_params: bool = True
    ) -> "TSLMForecaster":
        """Add new rows; train again on all rows unless the model was pretrained."""
        self.context_ = y.combine_first(self.context_)[self.context_.columns]
        if update_params and not hasattr(self, "pretrained_"):
            self.model_ = self._trained(_Long(self.context_), self.model_.h)
        return self

    def _pretrain(
        self,
        y: pd.DataFrame,
        X: pd.DataFrame | None = None,
        fh: ForecastingHorizon | None = None,
    ) -> "TSLMForecaster":
        long = _Long(y)
        self.panel_ = long.frame
        steps = None if fh is None or not fh.is_relative else int(max(fh))
        self.pretrained_ = self._trained(long, steps)
        return self

    def _pretrain_update(
        self,
        y: pd.DataFrame,
        X: pd.DataFrame | None = None,
        fh: ForecastingHorizon | None = None,
    ) -> "TSLMForecaster":
        """Train anew on everything it has been given."""
        long = _Long(y)
        if hasattr(self, "panel_"):
            later = long.frame.assign(
                unique_id=long.frame.unique_id + self.panel_.unique_id.max() + 1
            )
            long.frame = pd.concat([self.panel_, later], ignore_index=True)
        self.panel_ = long.frame
        steps = None if fh is None or not fh.is_relative else int(max(fh))
        self.pretrained_ = self._trained(long, steps)
        return self

    def _trained(self, long: "_Long", steps: int | None) -> LongFrameForecaster:
        own = self.get_params(deep=False)
        own["h"] = self.h or steps or min(max(long.longest // 4, 1), 24)
        model = LongFrameForecaster(**own)
        return model.fit(long.frame)

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Return the settings for sktime's test suite."""
        fast = {"backbone": "tiny", "max_steps": 2, "accelerator": "cpu", "random_state": 0}
        fast["base"] = None
        small = Spec("time_llm", n_prototypes=8, prompt="none")
        spread = {**fast, "decoder": "student_t"}
        return [spread, {**spread, "adapter": small, "base": "profile"}]

    def _predict(self, fh: ForecastingHorizon, X: pd.DataFrame | None = None) -> pd.DataFrame:
        long = _Long(self.context_)
        (values,) = self._ahead(long, fh, [self.model_.name])
        return long.unfold(values, fh.to_absolute_index(self.cutoff))

    def _predict_quantiles(
        self, fh: ForecastingHorizon, X: pd.DataFrame | None, alpha: list[float]
    ) -> pd.DataFrame:
        long = _Long(self.context_)
        names = [f"{self.model_.name}-q-{100 * level:g}" for level in alpha]
        found = self._ahead(long, fh, names, quantiles=sorted(set(alpha)))
        times = fh.to_absolute_index(self.cutoff)
        tables = [long.unfold(values, times) for values in found]
        columns = [(name, level) for name in self._get_varnames() for level in alpha]
        arrays = [table.iloc[:, i] for i in range(len(long.columns)) for table in tables]
        out = pd.concat(arrays, axis=1)
        out.columns = pd.MultiIndex.from_tuples(columns)
        return out

    def _ahead(
        self, long: "_Long", fh: ForecastingHorizon, names: list[str], **asked: Any
    ) -> list[npt.NDArray[np.float64]]:
        """Return columns of a forecast at the steps of a horizon, ``[series, steps]`` each."""
        steps = fh.to_relative(self.cutoff).to_numpy().astype(int)
        ahead = self.model_.predict(long.frame, h=int(steps.max() + long.behind.max()), **asked)
        chosen = steps - 1 + long.behind[:, None]
        return [
            np.take_along_axis(ahead[name].to_numpy().reshape(len(long.behind), -1), chosen, axis=1)
            for name in names
        ]


def _reach(fh: ForecastingHorizon | None, cutoff: pd.Index) -> int | None:
    """Return the last step of a horizon."""
    if fh is None:
        return None
    return max(int(fh.to_relative(cutoff).to_numpy().max()), 1)


def _instances(index: pd.Index) -> pd.Index:
    """Return all index levels of a panel except the time."""
    names: Any = index  # pandas-stubs knows droplevel of a MultiIndex alone
    return names.droplevel(-1)


class _Long:
    """Long frame made of sktime's index and columns, and the conversion back.

    Attributes:
        frame: the long frame; ``unique_id`` numbers the columns of each instance.
        behind: number of rows by which each series ends before the last one.
    """

    def __init__(self, y: pd.DataFrame) -> None:
        self.names, self.columns = y.index.names, y.columns
        self.panel = isinstance(y.index, pd.MultiIndex)
        times = y.index.get_level_values(-1)
        if self.panel:
            instance, self.instances = pd.factorize(_instances(y.index))
        else:
            instance, self.instances = np.zeros(len(y), dtype=np.int64), pd.RangeIndex(1)
        stamps = times.to_timestamp() if isinstance(times, pd.PeriodIndex) else times
        self.frame = pd.concat(
            [
                pd.DataFrame(
                    {
                        "unique_id": instance * len(self.columns) + number,
                        "ds": stamps,
                        "y": y.iloc[:, number].to_numpy(dtype=float),
                    }
                )
                for number in range(len(self.columns))
            ]
        ).sort_values(["unique_id", "ds"], ignore_index=True)
        grouped = self.frame.groupby("unique_id").ds
        every = pd.Index(self.frame.ds.unique()).sort_values()
        last = every.get_indexer(pd.Index(grouped.max()))
        self.behind: npt.NDArray[np.int64] = (len(every) - 1 - last).astype(np.int64)
        self.longest = int(grouped.size().max())

    def unfold(self, values: npt.NDArray[np.float64], times: pd.Index) -> pd.DataFrame:
        """Return forecasts ``[series, steps]`` with the index and the columns of the data."""
        by_time = values.reshape(len(self.instances), len(self.columns), -1).swapaxes(1, 2)
        table = pd.DataFrame(by_time.reshape(-1, len(self.columns)), columns=self.columns)
        if not self.panel:
            table.index = times
            table.index.names = self.names
            return table
        rows = [
            (*(name if isinstance(name, tuple) else (name,)), time)
            for name in self.instances
            for time in times
        ]
        table.index = pd.MultiIndex.from_tuples(rows, names=self.names)
        return table
