"""Learning from past statements: the errors of forecasts that did not know of them."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from tslm.core.calendar import Ints
from tslm.core.float64 import exactly
from tslm.data.batches import contexts_before
from tslm.data.events.active import ActiveStatements
from tslm.data.panel import Panel
from tslm.estimators.inference import PanelForecaster
from tslm.estimators.statements.effects import LEAST, StatementEffects
from tslm.estimators.statements.past import PastStatements
from tslm.models.text.statement_memory import StatementMemory

FEWEST = 8  # rows before a span from which a forecast is made; chosen by hand
NOISE = 0.1  # variance of an observed effect, if no other rows tell it; chosen by hand
EARLIER = 3  # windows before each span that tell the noise; chosen by hand
BATCH = 256  # windows forecast at once


@dataclass(frozen=True)
class Spans:
    """Spans of rows in series.

    Attributes:
        series: number of the series of each span.
        first: first row within the series.
        steps: number of rows, at most H.
    """

    series: Ints
    first: Ints
    steps: Ints


def learn(
    effects: StatementEffects, forecaster: PanelForecaster, panel: Panel, horizon: int
) -> PastStatements:
    """Estimate the effects that past statements had.

    A forecast is made from the row before each span. The effect is what the sum of the rows has
    more than that of the forecast. Spans before them, without a statement, give the noise.

    Args:
        effects: the statements, and their reader.
        forecaster: forecasts without statements.
        panel: the series with their known rows.
        horizon: most rows of a span that are used, H.
    """
    as_factors = not bool((panel.in_units() < 0).any())
    past = PastStatements(as_factors=as_factors, reader=effects.reader.identity)
    effects = replace(effects, past=past)
    pairs, spans, free = _find(effects, panel, horizon)
    if not pairs:
        return past
    observed = _missed(spans, forecaster, panel, horizon, as_factors=as_factors)
    quiet = _missed(free, forecaster, panel, horizon, as_factors=as_factors)
    quiet = quiet[quiet.isfinite()]
    noise = float(quiet.square().mean()) if len(quiet) else NOISE
    expected = torch.cat([effects.expected(effects.read(pair), pair, panel) for pair in pairs])
    vectors = effects.reader.vectors([text for pair in pairs for text in effects.texts(pair)])
    seen = observed.isfinite()
    doubt = torch.full_like(observed[seen], noise)
    memory = StatementMemory.of(vectors[seen], expected[seen], observed[seen], doubt)
    return replace(past, memory=memory)


def _find(
    effects: StatementEffects, panel: Panel, horizon: int
) -> tuple[list[ActiveStatements], Spans, Spans]:
    """Find past statements, their spans, and spans of equal length before them without statements.

    Statements whose span begins before row ``FEWEST`` are left out, and those with bounds.
    """
    pairs, spans, free = [], [], []
    for number in range(len(panel)):
        before = effects.before(panel, number)
        taken = np.asarray(before.inside.any(0))
        for each in np.flatnonzero(~effects.table.bounded[before.row]):
            rows = np.flatnonzero(before.inside[each])
            first, steps = int(rows[0]), min(len(rows), horizon)
            if first < FEWEST:
                continue
            pairs.append(before.take(np.array([each])))
            spans.append((number, first, steps))
            earlier = (first - steps * back for back in range(1, EARLIER + 1))
            free += [
                (number, row, steps)
                for row in earlier
                if row >= FEWEST and not taken[row : row + steps].any()
            ]
    return pairs, _spans(spans), _spans(free)


def _spans(rows: list[tuple[int, int, int]]) -> Spans:
    return Spans(*np.array(rows, dtype=np.int64).reshape(-1, 3).T)


def _missed(
    spans: Spans, forecaster: PanelForecaster, panel: Panel, horizon: int, *, as_factors: bool
) -> Float[Tensor, " N"]:
    """Return what each span has more than the forecast from the row before it.

    Args:
        spans: the spans.
        forecaster: forecasts without statements.
        panel: the series.
        horizon: steps that are forecast.
        as_factors: True returns the logarithm of the ratio of the sums; False the difference of
            the means, in standard deviations of the series.

    Returns:
        NaN for spans without a known value.
    """
    model, y = forecaster.forecaster, panel.in_units()
    found = []
    for part in np.split(np.arange(len(spans.series)), range(BATCH, len(spans.series), BATCH)):
        if not len(part):
            continue
        series, first, steps = spans.series[part], spans.first[part], spans.steps[part]
        batch = contexts_before(
            panel,
            forecaster.calendar,
            torch.from_numpy(np.zeros_like(series) if model.multivariate else series),
            torch.from_numpy(first),
            context_length=forecaster.context_length,
            horizon=horizon,
            multivariate=model.multivariate,
        )
        ahead = exactly(model.forecast(batch, horizon)).numpy()
        ahead = ahead[np.arange(len(part)), :, series if model.multivariate else 0]
        ahead = ahead * panel.spread[series, None] + panel.loc[series, None]
        rows = np.arange(horizon)
        inside = rows < steps[:, None]
        place = (panel.offsets[series] + first)[:, None] + np.where(inside, rows, 0)
        actual = np.where(inside, y[place], np.nan)
        known = np.isfinite(actual)
        number = known.sum(1)
        truth, guess = np.nansum(actual, 1), np.where(known, ahead, 0).sum(1)
        with np.errstate(divide="ignore", invalid="ignore"):
            if as_factors:
                least = LEAST * panel.loc[series] * number
                change = np.log((truth + least) / (guess.clip(0) + least))
            else:
                change = (truth - guess) / (number * panel.spread[series])
        found.append(np.where(number > 0, change, np.nan))
    return torch.from_numpy(np.concatenate([np.empty(0), *found]))
