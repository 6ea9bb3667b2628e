"""Mix of local rules and a trained model, combined quantile by quantile."""

from collections.abc import Iterable, Sequence
from functools import partial

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from tslm.core.config.build import build
from tslm.core.config.choices import choice, node
from tslm.core.errors import ConfigError
from tslm.core.forecaster import Forecaster
from tslm.core.messages import at_least, check_choice
from tslm.core.types import Batch, Contribution, Task
from tslm.models.baselines.classical.smoothing import SEASONS
from tslm.models.depth_search import DepthSearch
from tslm.models.forecast_model import ForecastModel
from tslm.models.mix.members import (
    LEVELS,
    MEDIAN,
    fitted_to,
    pinball,
    quantiles_of,
    without_padding,
)
from tslm.models.mix.memory import Memory, contents_of
from tslm.models.mix.weights import (
    POWER_OF_MANY,
    inverse_losses,
    shrunk_to_equal,
    weighted_mean,
    weighted_median,
    without_poor,
)
from tslm.uncertainty.distributions.quantile import Quantiles, at_levels

COMBINE = ("mean", "median")
TRAINED = "trained"  # name of the trained model among the members
FACTORS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 1.8, 2.2)  # on widths of a member
CAUTION = 0.5  # power of the best factor that is used: halfway to 1; chosen by hand
REACH = 512  # rows that local rules read at least by default; chosen by hand
WIDER = 1.1  # on widths of the mix; 80 % intervals then cover about 80 %, see docs/mix.md
SHARE = 0.5  # of the weights by a window's own errors, the rest are those of all series


class Mix(Forecaster):
    """Local rules and a trained model; each quantile is the mean or median of theirs.

    Local rules are fitted to the context of each window. The trained model is fitted across all
    series. Validation windows choose a weight and a factor on the width of each member, for all
    series together. The errors of the members on the last steps of a context then shift the
    weights of this window.

    Args:
        task: lengths and season.
        trained: the model whose weights are trained; None for local rules alone.
        members: names of local rules, files of ``conf/model``.
        covariate_members: further rules, for series with covariates that are known in advance.
        adapter: False for local rules alone; ``trained`` is then None.
        reach: rows that local rules read; None takes 20 seasons, at least 512.
        origins: origins inside a context that shift its weights; 0 for the weights of the panel.
        combine: ``mean`` or ``median`` of the members' quantiles.

    Raises:
        ConfigError: if a rule is unknown, has to be trained or is named twice.

    Attributes:
        weights: of the members, local rules first; they sum to 1.
        widths: factor on the width of each member's distribution.
        report: weight, loss alone and loss without it of each member, see ``contributions``.
        rows: rows that a local rule reads, unless it has a reach of its own.
    """

    distribution_horizon = 2**31
    calibration_windows = 128  # few, because each needs a fit of every rule; chosen by hand
    weights: Float[Tensor, " M"]
    widths: Float[Tensor, " M"]
    report: Float[Tensor, "3 M"]

    def __init__(
        self,
        *,
        task: Task,
        trained: ForecastModel | DepthSearch | None,
        members: Sequence[str],
        covariate_members: Sequence[str] = (),
        adapter: bool = True,
        reach: int | None = None,
        origins: int = 1,
        combine: str = "mean",
    ) -> None:
        super().__init__()
        assert adapter == (trained is not None), "the trained model and the setting differ"
        if reach is None:
            reach = max(REACH, SEASONS * task.season_length)
        at_least(1, reach=reach)
        at_least(0, origins=origins)
        check_choice("combine", combine, COMBINE)
        self.local = nn.ModuleDict(_rules([*members, *covariate_members], task))
        self.trained = trained
        self.season_length, self.horizon = task.season_length, task.horizon
        self.context_length = task.context_length
        self.rows = max(reach, task.context_length)
        self.reach = max(self.rows, *(rule.reach for rule in self._local))
        self.origins, self.combine = origins, combine
        if trained is not None:
            self.step, self.patch_len = trained.step, trained.patch_len
            self.reads_time, self.multivariate = trained.reads_time, trained.multivariate
        count = len(self.names)
        self.register_buffer("weights", torch.full((count,), 1 / count))
        self.register_buffer("widths", torch.ones(count))
        self.register_buffer("report", _no_report(self.weights))
        self.memory = Memory()

    @property
    def names(self) -> list[str]:
        """Return the names of the members, local rules first."""
        return [*self.local, *([] if self.trained is None else [TRAINED])]

    @property
    def learner(self) -> Forecaster:
        return self if self.trained is None else self.trained

    def loss(self, batch: Batch, criterion: str = "mse") -> Float[Tensor, ""]:
        assert self.trained is not None, "local rules are not trained"
        return self.trained.loss(fitted_to(batch, self.context_length), criterion)

    def forecast(self, batch: Batch, horizon: int) -> Float[Tensor, "B H C"]:
        return self.distribution(batch, horizon).point

    @torch.no_grad()
    def distribution(self, batch: Batch, horizon: int) -> Quantiles:
        # a median also depends on the values of members without weight
        found = self.members(batch, horizon, unused=self.combine == "median")
        values = self._combined(found, self.window_weights(batch))
        return at_levels(rearrange(values, "Q B H C -> B H C Q"), LEVELS)

    def _combined(
        self, members: Float[Tensor, "M Q B H C"], weights: Float[Tensor, "M B C"]
    ) -> Float[Tensor, "Q B H C"]:
        """Return the mean or median of the members at each level, in ascending order.

        The widths are then multiplied by ``WIDER``: members do not know how uncertain their own
        parameters are, and the mean of quantiles is narrower than a mixture of distributions.
        """
        join = weighted_mean if self.combine == "mean" else weighted_median
        found = join(members, rearrange(weights, "M B C -> M 1 B 1 C")).sort(0).values
        return widened(found[None], WIDER)[0]

    def members(
        self, batch: Batch, horizon: int, *, unused: bool = True
    ) -> Float[Tensor, "M Q B H C"]:
        """Return the quantiles of each member, with its factor on the width.

        Args:
            batch: contexts, with the times of the steps after them.
            horizon: steps to forecast, H.
            unused: False gives 0 for members without weight, which are then not computed.
        """
        short, seen = without_padding(batch), contents_of(batch, horizon)
        own = fitted_to(batch, self.context_length)
        parts: list[Tensor | None] = []
        for name, member, weight in zip(
            self.names, self._parts, self.weights.tolist(), strict=True
        ):
            if not (weight or unused):
                parts.append(None)
                continue
            read = own if name == TRAINED else self._read_by(member, short)
            compute = partial(quantiles_of, member, read, horizon, self.season_length)
            parts.append(self.memory.get(name, member, seen, compute))
        like = next(part for part in parts if part is not None)
        found = torch.stack([torch.zeros_like(like) if part is None else part for part in parts])
        return widened(found, self.widths.to(found)[:, None, None, None, None])

    def _read_by(self, rule: Forecaster, batch: Batch) -> Batch:
        """Return the last rows of windows that a local rule reads."""
        return fitted_to(batch, min(rule.reach or self.rows, batch.past.shape[1]))

    @property
    def _parts(self) -> list[Forecaster]:
        return [*self._local, *([] if self.trained is None else [self.trained])]

    @property
    def _local(self) -> list[Forecaster]:
        return [rule for rule in self.local.values() if isinstance(rule, Forecaster)]

    def window_weights(self, batch: Batch) -> Float[Tensor, "M B C"]:
        """Return the weights of the members for each window; they sum to 1.

        Each member forecasts the last steps of a context from the steps before them. A context
        that is too short for this has the weights of the panel, and a member without weight there
        has none here.
        """
        shape = (len(self.weights), len(batch.past), batch.past.shape[2])
        panel = self.weights.to(batch.past)[:, None, None].expand(shape)
        losses = self._own_losses(batch)
        if losses is None:
            return panel
        members = torch.where(panel > 0, losses, torch.inf)
        own = rearrange(inverse_losses(rearrange(members, "M B C -> B C M")), "B C M -> M B C")
        return torch.where(losses.isnan().any(0), panel, (1 - SHARE) * panel + SHARE * own)

    def _own_losses(self, batch: Batch) -> Float[Tensor, "M B C"] | None:
        """Return the loss of each member at origins inside each context; NaN if it is too short.

        None if all contexts are too short.
        """
        length, h = batch.past.shape[1], self.horizon
        parts = []
        for back in range(h, (self.origins + 1) * h, h):
            stop = length - back
            if stop < 1:
                break
            known = batch.until(stop, h)
            loss = torch.stack(
                [
                    pinball(q, batch.past[:, stop : stop + h])
                    for q in self.members(known, h, unused=False)
                ]
            )
            enough = (~known.past.isnan()).sum(1) >= max(2 * h, 2 * self.season_length, 4)
            parts.append(torch.where(enough, loss, torch.nan))
        return torch.stack(parts).nanmean(0) if parts else None

    def prepare(self, time: Int[Tensor, " T"]) -> None:
        if self.trained is not None:
            self.trained.prepare(time)

    def learn(self, train: Iterable[Batch], val: Iterable[Batch]) -> None:
        for rule in self._local:
            rule.learn(train, val)
        if self.trained is not None:
            self.trained.learn(train, val)

    def settled(self, val: Iterable[Batch]) -> "Mix":
        if isinstance(self.trained, DepthSearch):
            self.trained = self.trained.settled(val)
        return self

    @torch.no_grad()
    def calibrate(self, val: Iterable[Batch]) -> None:
        """Choose weights and widths of the members by their pinball loss on validation windows.

        Without windows all weights are equal and widths stay as they are.

        Args:
            val: windows with the steps that follow them; may be empty.
        """
        self.weights.fill_(1 / len(self.weights))
        self.widths.fill_(1)
        self.report.copy_(_no_report(self.weights))
        batches = list(val)
        totals, windows = self.losses_by_width(batches)
        if not windows:
            return
        best = totals.argmin(0)
        self.widths.copy_(torch.tensor(FACTORS)[best] ** CAUTION)
        losses = totals.gather(0, best[None])[0]
        learnt = inverse_losses(without_poor(losses, windows), POWER_OF_MANY)
        self.weights.copy_(shrunk_to_equal(learnt, windows))
        self.report.copy_(self._reported(batches))

    @torch.no_grad()
    def losses_by_width(self, val: Iterable[Batch]) -> tuple[Float[Tensor, "F M"], int]:
        """Return the mean loss of the members for each factor on their width, and its windows.

        Losses are relative to the mean of the members of each window.
        """
        totals, windows = torch.zeros(len(FACTORS), len(self.weights), dtype=torch.float64), 0
        for batch in val:
            found = self.members(batch, batch.future.shape[1])
            losses = torch.stack([_losses(widened(found, f), batch.future) for f in FACTORS])
            losses = losses / losses[FACTORS.index(1.0)].mean(0).clamp(min=1e-12)
            totals += losses.nansum(-1)
            windows += int((~losses[0, 0].isnan()).sum())
        return totals / max(windows, 1), windows

    def _reported(self, val: Iterable[Batch]) -> Float[Tensor, "3 M"]:
        """Return the numbers of ``contributions`` on validation windows."""
        count = len(self.weights)
        totals, whole, windows = torch.zeros(3, count, dtype=torch.float64), 0.0, 0
        for batch in val:
            found, weights = self.members(batch, batch.future.shape[1]), self.window_weights(batch)
            mixed = _losses(self._combined(found, weights)[None], batch.future)[0]
            seen = ~mixed.isnan()
            totals[0] += rearrange(weights.cpu().double(), "M B C -> M (B C)")[:, seen].sum(1)
            totals[1] += _losses(found, batch.future)[:, seen].sum(1)
            for member in range(count):
                rest = weights.clone()
                rest[member] = 0
                total = rest.sum(0)
                rest = torch.where(total > 0, rest / total, weights)
                one = _losses(self._combined(found, rest)[None], batch.future)[0]
                totals[2, member] += one[seen].sum()
            whole, windows = whole + float(mixed[seen].sum()), windows + int(seen.sum())
        ratios = totals[1:] / whole if whole > 0 else torch.ones_like(totals[1:])
        return torch.cat([totals[:1] / max(windows, 1), ratios])

    @property
    def contributions(self) -> tuple[Contribution, ...]:
        titles = [type(rule).__name__ for rule in self._local]
        if self.trained is not None:
            titles.append(type(self.trained.adapter).__name__)
        rows = zip(titles, self.report.T.tolist(), strict=True)
        return tuple(Contribution(title, *row) for title, row in rows)


def _losses(
    members: Float[Tensor, "M Q B H C"], truth: Float[Tensor, "B H C"]
) -> Float[Tensor, "M n"]:
    """Return the pinball loss of each member, window and channel; NaN without an observed step."""
    found = torch.stack([pinball(quantiles, truth) for quantiles in members])
    return rearrange(found.cpu().double(), "M B C -> M (B C)")


def widened(
    members: Float[Tensor, "M Q B H C"], factors: Float[Tensor, "..."] | float
) -> Float[Tensor, "M Q B H C"]:
    """Return quantiles of which the distances from the median are multiplied by a factor."""
    median = members[:, MEDIAN : MEDIAN + 1]
    return median + (members - median) * factors


def _no_report(weights: Float[Tensor, " M"]) -> Float[Tensor, "3 M"]:
    """Return the numbers of ``contributions`` without validation windows."""
    return torch.stack([weights, torch.ones_like(weights), torch.ones_like(weights)])


def _rules(names: Sequence[str], task: Task) -> dict[str, Forecaster]:
    """Build the local rules by their names."""
    found: dict[str, Forecaster] = {}
    for name in names:
        file = choice("model", str(name))
        rule = build(node("model", file), task=task)
        if file in found or rule.trains or rule.step or rule.multivariate:
            raise ConfigError(
                f"members={list(names)}: {file} must be a rule for single series that is not "
                "trained, and be named once. Choose among theta, profile_ar, seasonal_naive and "
                "the like."
            )
        found[file] = rule
    if not found:
        raise ConfigError("members=[] names no rule. Name one or more, such as [profile_ar].")
    return found
