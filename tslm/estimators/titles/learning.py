"""Learning from the titles of the series of fit, and its validation on these series cut short."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from tslm.core.calendar import Calendar, Ints
from tslm.core.errors import warn
from tslm.core.float64 import exactly
from tslm.data.panel import Floats, Panel
from tslm.estimators.inference import POINTS, PanelForecaster
from tslm.estimators.titles.known_titles import (
    KnownTitles,
    Trust,
    ValueScale,
    few_rows,
    known_rows,
    phase_of,
)
from tslm.models.text.series_shape import SEASONS, SeriesShape, measure
from tslm.models.text.title_process import Prior, TitleProcess
from tslm.models.text.title_regression import FEWEST
from tslm.models.text.title_vectors import TitleVectors

MOST = 400  # series that are learnt from, evenly spaced; chosen by hand
CUT = 60  # series that are cut short for validation; chosen by hand
FOLDS = 4
WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)  # shares that are tried
SURE = 1.0  # standard errors by which titles must improve forecasts; chosen by hand
LEVEL = 0.8  # coverage at which widths are set
SCORE = 1.2816  # its normal score


@dataclass(frozen=True)
class Histories:
    """Last rows of series, aligned at their ends.

    Attributes:
        values: in the units of the series; NaN before the first row.
        phase: phase of each row in its season.
        time: time of each row.
        phases: rows of a season.
    """

    values: Float[Tensor, "N T"]
    phase: Int[Tensor, "N T"]
    time: Ints
    phases: int

    def shape(self, scale: ValueScale) -> tuple[SeriesShape, Tensor]:
        """Return the shape of the series that are long enough, and the mask of these."""
        return measure(scale.apply(self.values), self.phase, self.phases)

    def take(self, chosen: Tensor) -> "Histories":
        """Return the series of a mask."""
        parts = (self.values[chosen], self.phase[chosen], self.time[chosen.numpy()])
        return Histories(*parts, self.phases)


def learn_titles(
    reader: TitleVectors,
    forecaster: PanelForecaster,
    panel: Panel,
    horizon: int,
    phases: int,
    *,
    use: bool = True,
) -> KnownTitles:
    """Learn what titles tell, from the series of a panel.

    Warns if too few series are long enough.

    Args:
        reader: reads titles.
        forecaster: the fitted model, without titles.
        panel: the series, with titles.
        horizon: steps that are forecast for validation.
        phases: rows of a season.
        use: False leaves the titles out, so that all series have the same expectation.
    """
    assert panel.titles is not None
    counts = known_rows(panel).numpy()
    long = np.flatnonzero(counts >= few_rows(phases))
    if len(long) < FEWEST:
        warn(
            f"titles need {FEWEST} series of {few_rows(phases)} known rows or more to learn from, "
            f"and there are {len(long)}. Titles have no effect."
        )
        return KnownTitles()
    long = long[_spaced(len(long), MOST)]
    chosen = panel.take(long)
    scale, vectors = ValueScale.of(chosen), reader.vectors(chosen.titles or [])
    rows = SEASONS * phases if phases > 1 else 40
    calendar = forecaster.calendar
    last = _histories(chosen, rows, phases, calendar, 0)
    shape, enough = last.shape(scale)
    process = TitleProcess.of(vectors[enough], shape, reader.pieces, use=use)
    known = KnownTitles(process, scale, reader=reader.identity)
    before = _histories(chosen, rows, phases, calendar, horizon)
    trust = _validated(before, chosen, vectors, reader, forecaster, horizon, known, use=use)
    return replace(known, trust=trust)


def _validated(
    before: Histories,
    panel: Panel,
    vectors: Float[Tensor, "N E"],
    reader: TitleVectors,
    forecaster: PanelForecaster,
    horizon: int,
    known: KnownTitles,
    *,
    use: bool,
) -> Trust:
    """Choose shares and widths by forecasts of series cut short, with the titles of others."""
    assert known.process is not None
    informed = known.process.informed or not use
    shape, enough = before.shape(known.scale)
    kept = enough.nonzero()[:, 0].numpy()
    if len(kept) < FEWEST:
        return Trust()
    vectors, panel = vectors[enough], panel.take(kept)
    before = before.take(enough)
    few = few_rows(known.phases)
    counts = sorted({1, max(few // 8, 1), few // 4, few // 2})
    tested = _spaced(len(kept), CUT)
    fold_of = np.random.default_rng(0).permutation(len(kept)) % FOLDS
    truth = np.stack([_rows(panel, i)[-horizon:] for i in tested.tolist()])
    tests: dict[int, tuple[KnownTitles, Prior]] = {}
    for fold in range(FOLDS):
        others = torch.from_numpy(fold_of != fold)
        process = TitleProcess.of(vectors[others], shape.take(others), reader.pieces, use=use)
        own = tested[fold_of[tested] == fold]
        ahead = [replace(known, process=process)] * len(own)
        tests |= zip(
            own.tolist(), zip(ahead, process.priors(vectors[own]), strict=True), strict=True
        )
    shares, widths = [1.0], []
    for count in [0, *counts]:
        found = [
            _titled(before, number, count, horizon, *tests[number]) for number in tested.tolist()
        ]
        titled, spread = (np.stack(part) for part in zip(*found, strict=True))
        aim = known.scale.apply(torch.from_numpy(truth)).numpy()
        mean = known.scale.apply(torch.from_numpy(titled)).numpy()
        scores = np.abs(aim - mean) / spread
        widths.append(max(1.0, float(np.nanquantile(scores, LEVEL)) / SCORE))
        if count and informed:
            plain = _cut_forecasts(before, panel, tested, count, forecaster, horizon)
            shares.append(_best_share(plain, titled, truth))
        elif count:
            shares.append(0.0)
    return Trust((0, *counts, few), (*shares, 0.0), (*widths, widths[-1]))


def _titled(
    before: Histories, number: int, count: int, horizon: int, known: KnownTitles, prior: Prior
) -> tuple[Floats, Floats]:
    """Return the forecast of a series from its title and last rows, and its spread.

    The forecast is in the units of the series, and the spread on the scale of the titles.
    """
    assert known.process is not None
    rows = max(count, 1)
    y = before.values[number, -rows:]
    y = y if count else torch.full_like(y, torch.nan)
    ahead = (before.phase[number, -1] + 1 + torch.arange(horizon)) % before.phases
    found = known.process.forecast(prior, known.scale.apply(y), before.phase[number, -rows:], ahead)
    spread = found.covariance.diagonal().sqrt()
    return known.scale.undo(found.mean).numpy(), spread.numpy()


def _best_share(plain: Floats, titled: Floats, truth: Floats) -> float:
    """Return the share of the forecast from titles with the least error; 0 without a sure gain."""
    unit = np.nanmean(np.abs(truth - plain), 1) + np.nanmean(np.abs(truth - titled), 1)
    unit = np.where(unit > 0, unit, 1)
    errors = np.stack(
        [np.nanmean(np.abs(truth - w * titled - (1 - w) * plain), 1) / unit for w in WEIGHTS]
    )
    gain = errors[0] - errors
    best = int(np.nanmean(gain, 1).argmax())
    deviation = np.nanstd(gain[best]) / np.sqrt(len(unit))
    return WEIGHTS[best] if np.nanmean(gain[best]) > SURE * deviation else 0.0


def _cut_forecasts(
    before: Histories,
    panel: Panel,
    tested: Ints,
    count: int,
    forecaster: PanelForecaster,
    horizon: int,
) -> Floats:
    """Return forecasts of series without titles, from their last rows before the horizon."""
    y = before.values[tested, -count:].numpy()
    known = ~np.isnan(y).all(1)
    values = np.full((len(tested), horizon), np.nan)
    offsets = np.arange(known.sum() + 1, dtype=np.int64) * count
    time = before.time[tested[known], -count:].ravel()
    cut = Panel.from_rows(
        y[known].ravel(), time, offsets, panel.ids[tested[known]], forecaster.calendar
    )
    text = panel.text and [panel.text[number] for number in tested[known].tolist()]
    found = forecaster.forecast(replace(cut, text=text), horizon, POINTS)
    values[known] = found.values[0]
    return values


def _histories(panel: Panel, rows: int, phases: int, calendar: Calendar, leave: int) -> Histories:
    """Return the last rows of each series, without the last ``leave``."""
    rows = min(rows, int(panel.lengths.max()) - leave) if panel.lengths.max() > leave else 1
    shape = (len(panel), rows)
    values, phase, time = np.full(shape, np.nan), np.zeros(shape, np.int64), np.zeros(shape, int)
    for number in range(len(panel)):
        y = _rows(panel, number)
        end = len(y) - leave
        kept = min(rows, max(end, 0))
        if not kept:
            continue
        own = panel.time[panel.offsets[number] : panel.offsets[number + 1]].numpy()
        values[number, -kept:] = y[end - kept : end]
        time[number, -kept:] = own[end - kept : end]
        phase[number, -kept:] = phase_of(calendar, own[end - kept : end], phases)
    return Histories(torch.from_numpy(values), torch.from_numpy(phase), time, phases)


def _rows(panel: Panel, number: int) -> Floats:
    """Return the values of one series in its units."""
    rows = slice(panel.offsets[number], panel.offsets[number + 1])
    y = exactly(panel.values[rows]).numpy() * panel.spread[number] + panel.loc[number]
    return np.asarray(y)


def _spaced(count: int, most: int) -> Ints:
    """Return the numbers of at most ``most`` of ``count`` things, evenly spaced."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))
