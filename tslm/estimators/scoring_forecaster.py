"""Scores of observed rows with a fitted estimator: one number, or one for each row."""

import pandas as pd

from tslm.core.plain_values import positive
from tslm.data.events.table import EventTable
from tslm.data.interchange import same_kind, to_pandas
from tslm.estimators.backtesting import scaled_error
from tslm.estimators.likelihood_scores import WindowScores
from tslm.estimators.long_frame_forecaster import LongFrameForecaster


class ScoringForecaster(LongFrameForecaster):
    """Forecaster that compares observed rows with its forecasts."""

    def score(
        self, df: pd.DataFrame, y: None = None, *, static_df: pd.DataFrame | None = None
    ) -> float:
        """Return minus the mean absolute error of forecasts: 0 is perfect, and higher is better.

        Errors of a series are divided by the standard deviation of its training rows, and all rows
        have the same weight. If all series of ``df`` follow those of ``fit``, they are forecast
        from the end of ``fit``, which ``GridSearchCV`` with ``TimeSeriesSplit`` needs. Otherwise
        the last ``h`` rows of each series are held out and forecast from the rows before them.

        Args:
            df: the long frame.
            y: ignored; scikit-learn passes it.
            static_df: as in ``predict``.

        Raises:
            DataError: if the frame breaks the contract, or a series has no row before its last
                ``h``.
        """
        self._check_as_fitted()
        frame = self.reader.read(to_pandas(df), static_df, calendar=self.calendar_)
        return -scaled_error(self, frame, self.h)

    @same_kind
    def score_samples(
        self,
        df: pd.DataFrame,
        *,
        h: int | None = None,
        step_size: int | None = None,
        alpha: float | int | None = None,
        static_df: pd.DataFrame | None = None,
        events: pd.DataFrame | EventTable | None = None,
    ) -> pd.DataFrame:
        """Return the log-likelihood of observed values, and p-values that find anomalies.

        Each row is compared with the forecast from an earlier origin, by the distribution that
        also gives the intervals of ``predict``. Nothing is trained.

        Args:
            df: the long frame; its series may be other ones than those of ``fit``.
            h: steps forecast from each origin, the estimator's ``h`` by default. With 1 each row
                is compared with the forecast from the row before it.
            step_size: rows between origins, ``h`` by default, so that each row is scored once.
            alpha: adds the column ``anomaly``, True where the p-value is at most ``alpha``. It is
                the share of normal rows that are marked; it is not corrected for the number of
                rows.
            static_df: as in ``predict``. Covariates known ahead are taken from ``df``.
            events: as in ``predict``; from each origin only those that were said before are read.

        Returns:
            One row per row of ``df`` that has a context before it: id, time, ``cutoff`` (the last
            row that the forecast knows), true value, forecast, and

            - ``log_likelihood``: logarithm of the density of the value, in one over its units.
            - ``p_value``: share of normal rows that are at least as unlikely, on either side.
              It is uniform on rows like the validation rows, from which it is calibrated.
            - ``window_log_likelihood``: sum over the rows with this cutoff.
            - ``window_p_value``: share of normal windows that are at least as unlikely.

            They are NaN where the value is missing. The first origin of a series is one context
            after its first row. Of a series that is shorter than that the last ``h`` rows are
            scored. The last window of a series may have fewer than ``h`` rows.

        Raises:
            ConfigError: if a setting is impossible.
            DataError: if the frame breaks the contract, or no series has two rows.
            NotFittedError: before ``fit``.
        """
        self._check_as_fitted()
        horizon = positive("h", self.h if h is None else h)
        step = horizon if step_size is None else positive("step_size", step_size)
        rows = max(self.context_length_, self.titles_.few)
        scores = WindowScores.of(self, horizon, step, rows, alpha)
        return scores.table(self.reader.read(df, static_df, calendar=self.calendar_), events)
