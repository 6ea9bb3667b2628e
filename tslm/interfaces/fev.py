"""Model for fev's benchmarks: ``TSLMModel().fit_predict(task)``.

Install with ``pip install tslm[fev]``. https://github.com/autogluon/fev
"""

import datasets
import fev
import pandas as pd
from sklearn.base import clone

from tslm.estimators.tslm_forecaster import TSLMForecaster


class TSLMModel(fev.ForecastingModel):  # type: ignore[misc]  # fev has no types to import
    """Model of fev that trains an adapter on the first window of a task and forecasts all windows.

    Every target is a series; covariates are not read.

    Args:
        forecaster: its settings; horizon and season are those of the task. None is the default.
    """

    model_name = "tslm"

    def __init__(self, forecaster: TSLMForecaster | None = None) -> None:
        super().__init__()
        self.forecaster = TSLMForecaster(verbose=0) if forecaster is None else forecaster

    def _fit_predict(self, task: fev.Task) -> list[datasets.DatasetDict]:
        model = clone(self.forecaster).set_params(h=task.horizon, alias="predictions")
        if task.seasonality > 1:
            model.set_params(season_length=task.seasonality)
        predictions = []
        for number, window in enumerate(task.iter_windows()):
            past, *_ = fev.convert_input_data(window, adapter="nixtla", as_univariate=True)
            past = past[["unique_id", "ds", "y"]]
            if number == 0:
                with self._record_training_time():
                    model.fit(past)
            with self._record_inference_time():
                ahead = model.predict(past, quantiles=task.quantile_levels or None)
            rows = _rows(ahead, past.unique_id.unique(), task.quantile_levels)
            predictions.append(
                fev.combine_univariate_predictions_to_multivariate(rows, task.target_columns)
            )
        return predictions


def _rows(ahead: pd.DataFrame, ids: list[str], quantiles: list[float]) -> list[dict[str, object]]:
    """Return one row per series, in fev's order and with fev's names."""
    names = {f"predictions-q-{100 * level:g}": str(level) for level in quantiles}
    by_id = dict(list(ahead.rename(columns=names).groupby("unique_id")))
    columns = ["predictions", *names.values()]
    return [{name: by_id[key][name].to_numpy() for name in columns} for key in ids]
