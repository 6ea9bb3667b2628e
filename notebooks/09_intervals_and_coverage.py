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
# # Intervals and coverage
#
# A forecast is a guess; an interval says how far off it may be. Every adapter, decoder and baseline
# gives intervals (`level`), quantiles and sample paths, for any horizon.

# %%
import os

from tslm import TSLMForecaster
from tslm.data.datasets.benchmarks import load

BACKBONE = os.environ.get("TSLM_NOTEBOOK_BACKBONE") or "smollm2-135m"
STEPS = int(os.environ.get("TSLM_NOTEBOOK_STEPS") or "200")

frame = load("etth1").frame
frame = frame[(frame.unique_id == "OT") & (frame.ds < "2016-10-31")]
SHARED = {"h": 24, "backbone": BACKBONE, "max_steps": STEPS, "random_state": 0, "verbose": 0}

# %% [markdown]
# ## A law of each value
#
# `decoder="student_t"` (or `"quantile"`, `"mixture"`) trains location and spread together.

# %%
model = TSLMForecaster(decoder="student_t", val_size=480, **SHARED).fit(frame)
forecast = model.predict(level=[50, 80, 95])
model.plot(frame, forecast)

# %%
model.predict(quantiles=[0.1, 0.5, 0.9]).head(3)

# %% [markdown]
# Paths keep what steps have in common, so sums over the horizon can be read off them.

# %%
paths = model.predict(num_samples=50)
paths.filter(like="-sample-").sum().quantile([0.1, 0.5, 0.9])

# %% [markdown]
# ## Do they keep their promise?
#
# Of the truths, 80 % should lie inside the 80 % interval. `conformal` corrects intervals by the
# errors on validation rows; a point forecast gets its intervals from them alone.

# %%
for decoder, conformal in (("student_t", "none"), ("student_t", "cqr"), (None, "residual")):
    candidate = TSLMForecaster(decoder=decoder, conformal=conformal, val_size=480, **SHARED)
    backtest = candidate.cross_validation(frame, n_windows=5, level=[80], baselines=[])
    low, high = backtest["AutoTimes-lo-80"], backtest["AutoTimes-hi-80"]
    inside = backtest.y.between(low, high).mean()
    width = (high - low).mean()
    print(f"{decoder or 'point':<10} {conformal:<9} inside {inside:.0%}, width {width:.1f}")

# %% [markdown]
# Validation rows grow old. `recalibrate` learns intervals anew from the newest rows and leaves the
# weights as they are; `cross_validation(recalibrate=True)` does it at every origin, as you would
# day by day. `conformal="adaptive"` moves its shares when they have not kept their promise lately.

# %%
for renewed in (False, True):
    candidate = TSLMForecaster(conformal="adaptive", val_size=480, **SHARED)
    backtest = candidate.cross_validation(
        frame, n_windows=10, recalibrate=renewed, level=[80], baselines=[]
    )
    low, high = backtest["AutoTimes-lo-80"], backtest["AutoTimes-hi-80"]
    inside, width = backtest.y.between(low, high).mean(), (high - low).mean()
    print(f"renewed: {renewed!s:<6} inside {inside:.0%}, width {width:.1f}")
