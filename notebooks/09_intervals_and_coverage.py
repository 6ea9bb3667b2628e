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
# # Intervals and coverage
#
# An interval says how large the error of a forecast may be. Every adapter, decoder and baseline gives
# intervals (`level`), quantiles and sample paths, for any horizon.

# %%
import os

from tslm import TSLMForecaster
from tslm.data.datasets.benchmarks import load

BACKBONE = os.environ.get("TSLM_NOTEBOOK_BACKBONE") or "smollm2-135m"
STEPS = int(os.environ.get("TSLM_NOTEBOOK_STEPS") or "200")

frame = load("etth1").frame
frame = frame[(frame.unique_id == "OT") & (frame.ds < "2016-10-31")]
SHARED = {"h": 24, "backbone": BACKBONE, "max_steps": STEPS, "random_state": 0, "verbose": 0}
SHARED["base"] = None  # the adapter alone

# %% [markdown]
# ## A distribution of each value
#
# `decoder="student_t"` (or `"quantile"`, `"mixture"`) trains location and scale together.

# %%
model = TSLMForecaster(decoder="student_t", val_size=480, **SHARED).fit(frame)
forecast = model.predict(level=[50, 80, 95])
model.plot(frame, forecast)

# %%
model.predict(quantiles=[0.1, 0.5, 0.9]).head(3)

# %% [markdown]
# Paths include the dependence between steps, so you can compute sums over the horizon from them.

# %%
paths = model.predict(num_samples=50)
paths.filter(like="-sample-").sum().quantile([0.1, 0.5, 0.9])

# %% [markdown]
# ## Coverage
#
# 80 % of the true values should be inside the 80 % interval. `conformal` corrects intervals by the
# errors on validation rows. The intervals of a point forecast come from these errors only.

# %%
for decoder, conformal in (("student_t", "none"), ("student_t", "cqr"), (None, "residual")):
    candidate = TSLMForecaster(decoder=decoder, conformal=conformal, val_size=480, **SHARED)
    backtest = candidate.cross_validation(frame, n_windows=5, level=[80], baselines=[])
    low, high = backtest["AutoTimes-lo-80"], backtest["AutoTimes-hi-80"]
    inside = backtest.y.between(low, high).mean()
    width = (high - low).mean()
    print(f"{decoder or 'point':<10} {conformal:<9} inside {inside:.0%}, width {width:.1f}")

# %% [markdown]
# Validation rows become outdated. `recalibrate` calibrates intervals on the newest rows and does not
# change the weights; `cross_validation(recalibrate=True)` does it at every origin, as you would day by
# day. `conformal="adaptive"` adjusts its quantile levels if recent coverage was wrong.

# %%
for renewed in (False, True):
    candidate = TSLMForecaster(conformal="adaptive", val_size=480, **SHARED)
    backtest = candidate.cross_validation(
        frame, n_windows=10, recalibrate=renewed, level=[80], baselines=[]
    )
    low, high = backtest["AutoTimes-lo-80"], backtest["AutoTimes-hi-80"]
    inside, width = backtest.y.between(low, high).mean(), (high - low).mean()
    print(f"renewed: {renewed!s:<6} inside {inside:.0%}, width {width:.1f}")
