# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Backtests beside baselines
#
# A forecast means little alone. `cross_validation` forecasts from several past origins and puts
# what happened, and what simple rules say, beside it.

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
# Each dashed line is an origin; what is to its right was not known.

# %%
plot_backtest(frame, backtest)

# %% [markdown]
# ## Errors
#
# In the units of the series, averaged over series and origins; MASE is in units of what repeating
# the last day errs before the origin.

# %%
evaluate(backtest, frame, season_length=24).round(3)

# %% [markdown]
# Errors grow with the horizon, and not equally for all.

# %%
plot_errors(backtest)

# %% [markdown]
# ## Any baseline, with the same verbs

# %%
dlinear = BaselineForecaster("dlinear", h=24, max_steps=STEPS, random_state=0, verbose=0)
pd.merge(dlinear.fit(frame).predict(), model.fit(frame).predict()).head(3)
