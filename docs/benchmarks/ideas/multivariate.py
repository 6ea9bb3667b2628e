r"""Measure ``multivariate=tokens``: related series that the backbone reads together.

    python docs/benchmarks/ideas/multivariate.py --work runs/multivariate --out multivariate.json \
        --arms autotimes "autotimes tokens" "autotimes tokens none" "autotimes tokens random" \
        itransformer

The arms ``columns`` and ``two copies`` read the series in the order of the columns, with the causal
attention of the language model: once, or twice in a row, of which the second reading is decoded.
All models read 672 steps. Those with one token per series are fitted for 336 steps.
"""

import torch
from einops import rearrange
from jaxtyping import Float
from pairs import Maker, Study, autotimes, study
from torch import Tensor

from tslm import BaselineForecaster
from tslm.core.spec import Spec
from tslm.core.types import Tokens
from tslm.data.datasets.benchmarks import Benchmark
from tslm.estimators.trained_forecaster import TrainedForecaster
from tslm.models import forecast_model
from tslm.models.backbones.base import Backbone
from tslm.models.related_series import read_together

CONTEXT, HORIZON = 672, 336
BATCH = 16  # windows of a step; each holds all series
TOGETHER = {"multivariate": "tokens", "batch_size": 4}


def _columns(backbone: Backbone, tokens: Tokens, known: Tensor) -> Float[Tensor, "S N D"]:
    """Read the series of a window in the order of their columns."""
    rows = rearrange(tokens.embeds, "(B C) N D -> B (N C) D", C=known.shape[1])
    return rearrange(backbone.read(rows), "B (N C) D -> (B C) N D", C=known.shape[1])


def _copies(backbone: Backbone, tokens: Tokens, known: Tensor) -> Float[Tensor, "S N D"]:
    """Read the series of a window twice in a row; return the second reading."""
    rows = rearrange(tokens.embeds, "(B C) N D -> B (N C) D", C=known.shape[1])
    hidden = backbone.read(torch.cat([rows, rows], 1))[:, rows.shape[1] :]
    return rearrange(hidden, "B (N C) D -> (B C) N D", C=known.shape[1])


ORDERS = {"set": read_together, "columns": _columns, "two copies": _copies}


def variates(order: str = "set", **settings: object) -> Maker:
    """Return the maker of a model with one token per series."""

    def make(data: Benchmark, h: int) -> TrainedForecaster:
        forecast_model.read_together = ORDERS[order]  # type: ignore[assignment]
        usual = {
            "adapter": "variates",
            "multivariate": "tokens",
            "context_length": CONTEXT,
            "learning_rate": 1e-3,
            "batch_size": BATCH,
            "max_steps": 400,
        }
        return autotimes(data, HORIZON, **{**usual, **settings})

    return make


def segments(**settings: object) -> Maker:
    """Return the maker of AutoTimes with seven segments of 96 steps."""

    def make(data: Benchmark, h: int) -> TrainedForecaster:
        forecast_model.read_together = read_together
        usual = {
            "adapter": Spec("autotimes", patch_len=96),
            "context_length": CONTEXT,
            "max_steps": 150,
            "batch_size": 32,
        }
        return autotimes(data, h, **{**usual, **settings})

    return make


def itransformer(data: Benchmark, h: int) -> TrainedForecaster:
    """Return the maker of iTransformer as in its yaml."""
    return BaselineForecaster(
        "itransformer", h=HORIZON, context_length=CONTEXT, max_steps=400, verbose=0
    )


if __name__ == "__main__":
    study(
        Study(
            arms={
                "autotimes": segments(),
                "autotimes tokens": segments(**TOGETHER),
                "autotimes tokens none": segments(backbone="none", **TOGETHER),
                "autotimes tokens random": segments(backbone="random:smollm2-135m", **TOGETHER),
                "variates": variates(multivariate="independent", batch_size=BATCH * 7),
                "tokens": variates(),
                "tokens none": variates(backbone="none"),
                "tokens random": variates(backbone="random:smollm2-135m"),
                "columns": variates("columns"),
                "two copies": variates("two copies"),
                "itransformer": itransformer,
            },
            reference="autotimes",
            sets={"etth1": 24, "etth2": 24},
            horizons=(96, 336),
        )
    )
