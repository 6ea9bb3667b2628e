# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Backtests beside baselines
#
# A forecast alone is hard to judge. `cross_validation` forecasts from several past origins and
# returns the true values and the forecasts of simple baselines beside it.

# %%
import os

import pandas as pd

from tslm import BaselineForecaster, TSLMForecaster
from tslm.data.datasets.benchmarks import load
from tslm.evaluation.metrics.backtest import evaluate
from tslm.plots.results import plot_backtest, plot_errors

BACKBONE = os.environ.get("TSLM_NOTEBOOK_BACKBONE") or "smollm2-135m"
STEPS = int(os.environ.get("TSLM_NOTEBOOK_STEPS") or "200")

frame = load("etth1").frame
frame = frame[frame.unique_id.isin(["OT", "HUFL"]) & (frame.ds < "2016-10-01")]

# %%
model = TSLMForecaster(h=24, backbone=BACKBONE, max_steps=STEPS, random_state=0, verbose=0)
backtest = model.cross_validation(
    frame, n_windows=4, step_size=24, baselines=["SeasonalNaive", "profile_ar"]
)
backtest.head(3)

# %% [markdown]
# ## Origins
#
# Each dashed line is an origin; the model did not know the rows to its right.

# %%
plot_backtest(frame, backtest)

# %% [markdown]
# ## Errors
#
# Errors are in the units of the series, averaged over series and origins. MASE is relative to the
# error of repeating the last day, before the origin.

# %%
evaluate(backtest, frame, season_length=24).round(3)

# %% [markdown]
# Errors grow with the horizon, at different rates for different models.

# %%
plot_errors(backtest)

# %% [markdown]
# ## Any baseline, with the same methods

# %%
dlinear = BaselineForecaster("dlinear", h=24, max_steps=STEPS, random_state=0, verbose=0)
pd.merge(dlinear.fit(frame).predict(), model.fit(frame).predict()).head(3)
