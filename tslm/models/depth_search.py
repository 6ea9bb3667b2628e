"""Choice of the depth of a backbone: one readout per depth, trained together in one fit.

The blocks of a frozen backbone pass their states on, so one pass through the deepest candidate
gives the states of all shallower ones. Each depth has its own decoder, because the states of each
depth have their own directions and sizes; the adapter is shared. After training, validation windows
choose the depth, and what is kept is the ordinary model of that depth.

"The Few Govern the Many: Unveiling Few-Layer Dominance for Time Series Models", 2025,
https://arxiv.org/abs/2511.07237, finds a few layers enough. Here the first ones are kept.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from tslm.core.distribution import Distribution
from tslm.core.float64 import exactly
from tslm.core.forecaster import Forecaster
from tslm.core.types import Batch, Prediction
from tslm.models.adapters.base import Adapter
from tslm.models.backbones.base import Backbone
from tslm.models.backbones.huggingface import HuggingFaceBackbone
from tslm.models.decoders.base import Decoder
from tslm.models.forecast_model import ForecastModel
from tslm.models.lexicon import SwitchedLexicon
from tslm.models.network import Network

AUTO = "auto"  # value of the setting n_layers
CANDIDATES = (1, 2, 4, 6)  # deeper ones learn more slowly and cost more, see docs/ideas/04-depth.md
NEAR = 0.01  # share of the least error by which that of the chosen depth may be larger


def candidates(blocks: int) -> tuple[int, ...]:
    """Return the depths to choose from, for a backbone of this many blocks."""
    return tuple(sorted({min(depth, blocks) for depth in CANDIDATES}))


@dataclass(frozen=True)
class DepthChoice:
    """Validation errors by depth, and the depth that they choose.

    Attributes:
        errors: mean validation error of each depth, the least depth first.
        windows: number of validation windows.
    """

    errors: Mapping[int, float]
    windows: int

    @property
    def depth(self) -> int:
        """Return the least depth whose error is within 1 % of the least error."""
        least = min(self.errors.values())
        bound = least + NEAR * abs(least)
        return min(depth for depth, error in self.errors.items() if error <= bound)

    def __str__(self) -> str:
        shown = ", ".join(f"{error:.4g} with {depth}" for depth, error in self.errors.items())
        return (
            f"n_layers=auto chose {self.depth}: the fewest blocks whose error on {self.windows:,} "
            f"validation windows is within {NEAR:.0%} of the least ({shown})."
        )


class DepthSearch(Network):
    """Forecast models of several depths, of which training chooses one.

    Before the choice it forecasts with the deepest one.

    Args:
        deepest: model of the largest depth; its backbone is frozen.
        decoders: the decoder of each smaller depth.
        cut: loads the backbone of a depth.
        lexicon: lexicon of the adapter, which gets that of the chosen depth.

    Attributes:
        choice: the choice, after ``settled``.
    """

    def __init__(
        self,
        deepest: ForecastModel,
        decoders: Mapping[int, Decoder],
        cut: Callable[[int], Backbone],
        lexicon: SwitchedLexicon,
    ) -> None:
        super().__init__()
        assert isinstance(deepest.backbone, HuggingFaceBackbone)
        self.deepest, self.cut, self.lexicon = deepest, cut, lexicon
        self.decoders = nn.ModuleDict({str(depth): one for depth, one in decoders.items()})
        self.depths = (*sorted(decoders), deepest.backbone.identity.n_layers)
        self.together = [deepest.backbone.at_depths(*self.depths)]  # in a list: not a part of it
        self.views = {n: deepest.backbone.at_depths(n) for n in decoders}
        for name in Forecaster.__annotations__:  # what it forecasts is that of the deepest
            setattr(self, name, getattr(deepest, name))
        self.choice: DepthChoice | None = None

    @property
    def adapter(self) -> Adapter:
        """Return the adapter, which all depths share."""
        return self.deepest.adapter

    def at(self, depth: int) -> ForecastModel:
        """Return the model of a depth; it shares its parts with this one."""
        if depth == self.depths[-1]:
            return self.deepest
        return _with_parts(
            self.deepest, backbone=self.views[depth], decoder=self.decoders[str(depth)]
        )

    @property
    def models(self) -> Sequence[ForecastModel]:
        """Return the model of each depth, the least first."""
        return [self.at(depth) for depth in self.depths]

    def loss(self, batch: Batch, criterion: str = "mse") -> Float[Tensor, ""]:
        """Return the mean of the losses of all depths, from one pass through the backbone."""
        past, time, segments = batch.past, batch.time, self.deepest.rollout.segments
        tokens, scale = self.deepest.tokens_of(past, time, batch.text, segments=segments)
        reader = _with_parts(self.deepest, backbone=self.together[0])
        hidden = reader.read(tokens, past)[:, tokens.n_prompt :]
        states = hidden.chunk(len(self.depths), -1)
        losses = [
            model.error(
                model.decoded(state, tokens, scale, past, time, segments=segments), batch, criterion
            )
            for model, state in zip(self.models, states, strict=True)
        ]
        return torch.stack(losses).mean()

    def validation_error(self, batch: Batch, horizon: int) -> Float[Tensor, "B K C"]:
        """Return the mean of the errors of all depths, for each forecast step."""
        errors = [model.validation_error(batch, horizon) for model in self.models]
        return torch.stack(errors).mean(0)

    @torch.no_grad()
    def settled(self, val: Iterable[Batch]) -> ForecastModel:
        """Return the model of the depth that validation windows choose, cut there.

        Args:
            val: windows with the steps that follow them; some of them have values.
        """
        self.choice = self.chosen(val)
        depth = self.choice.depth
        backbone = self.cut(depth)
        self.lexicon.switch(backbone.lexicon)
        return _with_parts(self.at(depth), backbone=backbone).eval()

    def chosen(self, val: Iterable[Batch]) -> DepthChoice:
        """Return the validation error of each depth, and so the choice."""
        totals = torch.zeros(len(self.depths), dtype=torch.float64)
        values = windows = 0
        for batch in val:
            for number, model in enumerate(self.models):
                error = exactly(model.validation_error(batch, batch.future.shape[1])).cpu()
                known = ~batch.future[:, : error.shape[1]].isnan().cpu()
                totals[number] += torch.where(known, error, 0).sum()
            values += int(known.sum())
            windows += int(known.any(1).sum())
        means = (totals / max(values, 1)).tolist()
        return DepthChoice(dict(zip(self.depths, means, strict=True)), windows)

    def forward(
        self,
        past: Float[Tensor, "B L C"],
        time: Int[Tensor, "B L"],
        text: Sequence[str] | None = None,
    ) -> Prediction:
        return self.deepest(past, time, text)

    def roll(
        self, batch: Batch, horizon: int, levels: Float[Tensor, "B H2 C"] | None = None
    ) -> Float[Tensor, "B H2 C"]:
        return self.deepest.roll(batch, horizon, levels)

    def distribution(self, batch: Batch, horizon: int) -> Distribution:
        return self.deepest.distribution(batch, horizon)

    def prepare(self, time: Int[Tensor, " T"]) -> None:
        self.deepest.prepare(time)

    def learn(self, train: Iterable[Batch], val: Iterable[Batch]) -> None:
        self.deepest.learn(train, val)


def _with_parts(model: ForecastModel, **parts: Any) -> ForecastModel:
    """Return a copy of a model with some other parts; the other parts are shared."""
    made = copy(model)
    made._modules = {**model._modules, **parts}
    return made
