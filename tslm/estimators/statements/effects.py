"""Effects of statements on the forecasts of a fitted model, whatever its adapter and base."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from scipy.special import ndtri
from torch import Tensor

from tslm.core.calendar import Calendar
from tslm.core.float64 import exactly
from tslm.data.events.active import ActiveStatements, past_steps, steps_ahead
from tslm.data.events.table import FIRST, EventTable
from tslm.data.examples import Examples
from tslm.data.panel import Floats, Panel
from tslm.estimators.inference import POINTS, Forecasts, PanelForecaster
from tslm.estimators.statements.past import PastStatements
from tslm.estimators.titles.titled_forecaster import TitledForecaster
from tslm.models.text.effect import Effect, Phase, widening
from tslm.models.text.statement_reader import StatementReader
from tslm.uncertainty.requested_columns import RequestedColumns

LEAST = 0.01  # share of the level to which ratios are exact, so that zero has a logarithm
EXPLAINED = [  # columns of an explanation
    *("unique_id", "text", "start", "end", "steps", "factor", "shift", "replaced"),
    *("lower", "upper", "before", "after"),
]


@dataclass(frozen=True)
class StatementEffects:
    """Effects of a table of statements on forecasts.

    Attributes:
        reader: reads the sentences.
        past: effects of the statements of ``fit``.
        table: the statements.
        calendar: calendar of the series.
    """

    reader: StatementReader
    past: PastStatements
    table: EventTable
    calendar: Calendar

    def forecast(
        self,
        forecaster: PanelForecaster | TitledForecaster,
        panel: Panel,
        horizon: int,
        request: RequestedColumns = POINTS,
        examples: Examples | None = None,
    ) -> Forecasts:
        """Forecast the steps after the last row of each series, with the effects of statements.

        Past rows are freed of the effects of past statements before they are read. Bounds are
        applied last.

        Args:
            forecaster: forecasts without statements.
            panel: as in ``PanelForecaster.forecast``.
            horizon: as there.
            request: as there.
            examples: as there.
        """
        plain = forecaster.forecast(self.cleaned(panel), horizon, request, examples)
        pairs = self.ahead(panel, horizon)
        values = self._moved(plain.values, pairs, panel, request)
        values = values.clip(-np.inf if forecaster.floor is None else forecaster.floor)
        return replace(plain, values=self._clamped(values, pairs))

    def ahead(self, panel: Panel, horizon: int) -> ActiveStatements:
        """Return the statements that concern the steps to forecast."""
        steps = steps_ahead(panel, self.calendar, horizon)
        return ActiveStatements.of(self.table, panel.ids.tolist(), *steps)

    def before(self, panel: Panel, series: int) -> ActiveStatements:
        """Return the statements with a span that concern the rows of a series."""
        dated = self.table.take(self.table.start > FIRST)
        begin, after = past_steps(panel, series, self.calendar)
        ids = panel.ids[[series]].tolist()
        found = ActiveStatements.of(dated, ids, begin[-1:], begin[None], after[None])
        rows = np.flatnonzero(self.table.start > FIRST)
        return replace(found, row=rows[found.row], series=np.full(len(found), series))

    def cleaned(self, panel: Panel) -> Panel:
        """Return series without the effects of past statements; replaced rows are missing."""
        values = panel.values.clone()
        for number in range(len(panel)):
            pairs = self.before(panel, number)
            if not len(pairs):
                continue
            effect, _ = self.effects(pairs, panel)
            rows = slice(panel.offsets[number], panel.offsets[number + 1])
            loc, spread = panel.loc[number], panel.spread[number]
            y = exactly(panel.values[rows]) * spread + loc
            for each in range(len(pairs)):
                y = effect.take(each).remove(y, torch.tensor(spread))
            clean = (y - loc) / spread
            if not clean.isnan().all():
                values[rows] = clean.to(values.dtype)
        return replace(panel, values=values)

    def effects(self, pairs: ActiveStatements, panel: Panel) -> tuple[Effect, Float[Tensor, " K"]]:
        """Return the effect of each pair, ``[K, T]``, and its variance.

        It is the effect that the reader expects, corrected by those of past statements. Steps
        outside the span, and rows with bounds, have none.
        """
        texts = self.texts(pairs)
        found = self.read(pairs)
        past = self.past.memory.correct(
            self.reader.vectors(texts), self.expected(found, pairs, panel)
        )
        name = "log_factor" if self.past.as_factors else "shift"
        part = getattr(found, name) + past.mean[:, None]
        variance = past.variance + (1 - past.known) * exactly(self.reader.doubt(texts)).square()
        silent = torch.from_numpy(self.table.bounded[pairs.row])
        inside = torch.from_numpy(pairs.inside) & ~silent[:, None]
        return found._replace(**{name: part}).where(inside), torch.where(silent, 0, variance)

    def texts(self, pairs: ActiveStatements) -> list[str]:
        """Return the sentence of each pair."""
        return [self.table.text[row] for row in pairs.row]

    def read(self, pairs: ActiveStatements) -> Effect:
        """Return the effects that the reader expects, ``[K, T]``."""
        position, length = torch.from_numpy(pairs.position), torch.from_numpy(pairs.length)
        phase = Phase(position, length, torch.zeros_like(position))
        return Effect(*(exactly(part) for part in self.reader.effects(self.texts(pairs), phase)))

    def expected(
        self, effect: Effect, pairs: ActiveStatements, panel: Panel
    ) -> Float[Tensor, " K"]:
        """Return the mean effect in each span: a log factor, or a shift in standard deviations."""
        inside = torch.from_numpy(pairs.inside)
        level = torch.from_numpy(panel.loc[pairs.series])[:, None].expand_as(inside)
        sigma = torch.from_numpy(panel.spread[pairs.series])[:, None]
        moved = effect.apply(level[None], sigma)[0]
        if self.past.as_factors:
            change = ((moved.clamp(min=0) + LEAST * level) / ((1 + LEAST) * level)).log()
        else:
            change = (moved - level) / sigma
        return torch.where(inside, change.nan_to_num(), 0).sum(1) / inside.sum(1).clamp(min=1)

    def explain(self, plain: Forecasts, panel: Panel) -> pd.DataFrame:
        """Return the effect of each statement alone on each series, see ``StatementExplanation``.

        Args:
            plain: forecasts without statements.
            panel: the series.
        """
        pairs = self.ahead(panel, plain.values.shape[2])
        effects, _ = self.effects(pairs, panel)
        rows = []
        for number, (row, series) in enumerate(zip(pairs.row, pairs.series, strict=True)):
            own, inside = effects.take(number), pairs.inside[number]
            before = torch.from_numpy(plain.values[:1, series])
            sigma = float(panel.spread[series])
            moved = np.zeros_like(plain.values[:1])
            moved[:, series] = own.apply(before, torch.tensor(sigma)).numpy()
            after = self._clamped(moved, pairs.take(np.array([number])))[0, series]
            steps = self.calendar.from_int(plain.time[series][inside][[0, -1]])
            active = own.take(torch.from_numpy(inside))
            rows.append(
                {
                    "unique_id": panel.ids[series],
                    "text": self.table.text[row],
                    "start": steps[0],
                    "end": steps[1],
                    "steps": int(inside.sum()),
                    "factor": float(active.log_factor.mean().exp()),
                    "shift": float(active.shift.mean()) * sigma,
                    "replaced": float(active.replaced.mean()),
                    "lower": self.table.lower[row],
                    "upper": self.table.upper[row],
                    "before": float(before[0, inside].sum()),
                    "after": float(after[inside].sum()),
                }
            )
        return pd.DataFrame(rows, columns=EXPLAINED)

    def _moved(
        self, values: Floats, pairs: ActiveStatements, panel: Panel, request: RequestedColumns
    ) -> Floats:
        """Return forecasts with the effects of all statements, ``[columns, n, H]``."""
        if not len(pairs):
            return values
        effects, variance = self.effects(pairs, panel)
        series = torch.from_numpy(pairs.series)
        total, shape = Effect.none(*values.shape[1:]), values.shape[1:]
        doubt = torch.zeros(shape, dtype=torch.float64)
        for number in range(len(pairs)):
            own = effects.take(number)
            joint = total.take(series[number]).beside(own)
            for part, new in zip(total, joint, strict=True):
                part[series[number]] = new
            doubt[series[number]] += torch.from_numpy(pairs.inside[number]) * variance[number]
        before = torch.from_numpy(values)
        sigma = torch.from_numpy(panel.spread)[:, None]
        moved = total.apply(before, sigma)
        unit = moved[0].abs() if self.past.as_factors else sigma
        wider = widening(moved, _scores(request), unit * doubt.sqrt())
        touched = torch.zeros(shape, dtype=torch.bool)
        touched.index_put_((series,), torch.from_numpy(pairs.inside), accumulate=True)
        return torch.where(touched, moved[0] + wider * (moved - moved[0]), before).numpy()

    def _clamped(self, values: Floats, pairs: ActiveStatements) -> Floats:
        """Return forecasts within the bounds of statements."""
        values = values.copy()
        for row, series, inside in zip(pairs.row, pairs.series, pairs.inside, strict=True):
            low, high = self.table.lower[row], self.table.upper[row]
            values[:, series, inside] = values[:, series, inside].clip(low, high)
        return values


def _scores(request: RequestedColumns) -> Float[Tensor, " n"]:
    """Return the normal score of each quantile column, after the point; NaN for samples."""
    levels = np.array([0.5, *request.quantile_levels.values()])
    return torch.from_numpy(np.append(ndtri(levels), np.full(request.samples, np.nan)))
