"""Forecaster for foundationforecast and TimeCopilot: ``FoundationForecast(models=[TSLM()])``.

Install foundationforecast yourself: it brings a dozen foundation models and their needs.
https://github.com/TimeCopilot/foundationforecast
"""

from typing import Any

import pandas as pd
from foundationforecast.core.forecaster import Forecaster
from sklearn.base import clone

from tslm.core.errors import NotAvailableError
from tslm.estimators.trained_forecaster import TrainedForecaster
from tslm.estimators.tslm_forecaster import TSLMForecaster


class TSLM(Forecaster):  # type: ignore[misc]  # foundationforecast has no types to import
    """Forecaster of foundationforecast: a frozen language model with a trained adapter.

    Args:
        forecaster: a fitted forecaster is used as it is; an unfitted one is trained in every call
            of ``forecast``. None is the default ``TSLMForecaster``.
        alias: name of the forecast column.
    """

    def __init__(self, forecaster: TrainedForecaster | None = None, alias: str = "TSLM") -> None:
        super().__init__(exog_strategy=False)
        self.forecaster = TSLMForecaster(verbose=0) if forecaster is None else forecaster
        self.alias = alias

    def forecast(
        self,
        df: pd.DataFrame,
        h: int,
        freq: str | None = None,
        level: list[int | float] | None = None,
        quantiles: list[float] | None = None,
        panel: Any = None,
        X_df: pd.DataFrame | None = None,  # noqa: N803
        *,
        futr_df: pd.DataFrame | None = None,
        futr_exog_list: list[str] | None = None,
    ) -> pd.DataFrame:
        """Forecast the next ``h`` steps of every series.

        Raises:
            ConfigError: if future covariates are given.
            DataError: if the frame breaks the contract.
        """
        if X_df is not None or futr_df is not None:
            raise NotAvailableError(
                "Future covariates are not supported here. Leave X_df and futr_df out."
            )
        df = df[["unique_id", "ds", "y"]]
        model = self.forecaster
        if not model.__sklearn_is_fitted__():
            model = clone(model).set_params(h=h, freq=freq).fit(df)
        ahead = model.predict(df, h=h, level=level, quantiles=quantiles)
        names = {name: name.replace(model.name, self.alias, 1) for name in ahead.columns[2:]}
        return ahead.rename(columns=names)
