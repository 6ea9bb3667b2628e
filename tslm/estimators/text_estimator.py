"""Estimator that reads words: statements about what is coming, and titles of series."""

from tslm.core.errors import BackboneError, ConfigError
from tslm.core.fitted import fitted_attribute
from tslm.data.events.table import EventTable
from tslm.data.examples import Examples
from tslm.data.panel import Panel
from tslm.estimators.frame_estimator import FrameEstimator
from tslm.estimators.inference import POINTS, Forecasts, PanelForecaster
from tslm.estimators.statements.effects import StatementEffects
from tslm.estimators.statements.learning import learn
from tslm.estimators.statements.past import PastStatements
from tslm.estimators.statements.readers import reader_named
from tslm.estimators.titles.known_titles import few_rows
from tslm.estimators.titles.learning import learn_titles
from tslm.estimators.titles.readers import needs_titles, title_reader_named
from tslm.estimators.titles.titled_forecaster import TitledForecaster
from tslm.models.text.statement_reader import StatementReader
from tslm.models.text.title_vectors import TitleVectors
from tslm.uncertainty.requested_columns import RequestedColumns


class TextEstimator(FrameEstimator):
    """Estimator whose forecasts follow statements and titles, whatever its model.

    Attributes:
        statements_: effects of the statements of ``fit``.
    """

    statements_: PastStatements

    def forecast_panel(
        self,
        panel: Panel,
        horizon: int,
        request: RequestedColumns = POINTS,
        examples: Examples | None = None,
        events: EventTable | None = None,
    ) -> Forecasts:
        """Forecast the steps after the last row of each series of a panel.

        Args:
            panel: as in ``PanelForecaster.forecast``.
            horizon: as there.
            request: as there.
            examples: as there.
            events: statements about the series; None forecasts without them.
        """
        forecaster = self.forecaster_of(panel)
        if events is None:
            return forecaster.forecast(panel, horizon, request, examples)
        effects = self.statement_effects(events)
        return effects.forecast(forecaster, panel, horizon, request, examples)

    def forecaster_of(self, panel: Panel) -> PanelForecaster | TitledForecaster:
        """Return the forecaster of a panel: one that reads titles if some series need them."""
        if not needs_titles(self.titles_, panel):
            return self.panel_forecaster
        return TitledForecaster(self.panel_forecaster, self.titles_, self.title_reader())

    def title_reader(self) -> TitleVectors:
        """Return the reader of titles that the parameters name.

        Raises:
            BackboneError: if it is not on this machine, or is another one than that of ``fit``.
        """
        return title_reader_named(self.text_reader, fitted_attribute(self, "titles_"))

    def statement_effects(self, events: EventTable) -> StatementEffects:
        """Return the effects of statements on the forecasts of the fitted model.

        Raises:
            BackboneError: if the reader of statements is not on this machine, or is another one
                than that of ``fit``.
        """
        reader = self.statement_reader()
        past = self.statements_
        if past.reader not in ("", reader.identity):
            raise BackboneError(
                f"The statements of fit were read by {past.reader}, and text_reader="
                f"{self.text_reader} is {reader.identity} now. Set the text_reader of fit, or fit "
                "again with events."
            )
        return StatementEffects(reader, past, events, self.calendar_)

    def _check_titles(self) -> None:
        """Refuse titles that this forecaster cannot use, before the work of a fit.

        Raises:
            ConfigError: if it reads all series together, or the reader reads no titles.
            BackboneError: if the reader is not on this machine.
        """
        if self.titles is None:
            return
        if self.reads_all_series:
            raise ConfigError(
                f"{self.name} reads all series together, and titles are for forecasts of one "
                "series each. Leave titles out."
            )
        title_reader_named(self.text_reader)

    def _rows_of_titles(self, season: int) -> int:
        """Return the rows of each series that are kept to tell if its title is needed."""
        return 0 if self.titles is None else few_rows(season)

    def _learn_from_text(self, statements: EventTable | None, panel: Panel, season: int) -> None:
        """Learn from past statements and titles, with the fitted model.

        Args:
            statements: statements about the rows of the panel; None without any.
            panel: all rows of the series of ``fit``.
            season: rows of a season.
        """
        forecaster, horizon = self.panel_forecaster, int(self.config_.h)
        if statements is not None:
            known = self.statement_effects(statements)
            self.statements_ = learn(known, forecaster, panel, horizon)
        if self.titles is not None:
            reader = title_reader_named(self.text_reader)
            self.titles_ = learn_titles(reader, forecaster, panel, horizon, season)

    def statement_reader(self) -> StatementReader:
        """Return the reader of statements that the parameters name."""
        return reader_named(self.text_reader)
