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
# # Quickstart: forecast a data frame with a frozen language model
#
# A long frame goes in. Forecasts with intervals come out, in the units of `y`. The default model is
# a mix of classical rules and a small adapter, trained on top of a language model that never
# changes. Everything here runs on a laptop without a GPU.

# %%
import os

from tslm import TSLMForecaster, evaluate
from tslm.data.datasets.benchmarks import load

# The default is a real LLM, SmolLM2-135M. Tests of this notebook set TSLM_NOTEBOOK_BACKBONE=tiny.
BACKBONE = os.environ.get("TSLM_NOTEBOOK_BACKBONE") or "smollm2-135m"
STEPS = int(os.environ.get("TSLM_NOTEBOOK_STEPS") or "200")

# %% [markdown]
# ## The data frame
#
# A long frame has one row per series and time step: the id, the time and the value. The example is
# three months of the oil temperature and one load of an electricity transformer (ETTh1, shipped with
# tslm). Your own table works in the same way.

# %%
frame = load("etth1").frame
frame = frame[frame.unique_id.isin(["OT", "HUFL"])]
frame = frame[frame.ds < "2016-10-01"].reset_index(drop=True)
frame.tail(3)

# %% [markdown]
# ## Fit
#
# The language model is loaded once and does not change; only the adapter and the decoder are
# trained. The last tenth of each series is used for validation: to choose the best weights, to
# weight the members of the mix, and to compare with forecasts that need no training. If one of
# those is better, `fit` warns.

# %%
model = TSLMForecaster(h=48, base="auto", backbone=BACKBONE, max_steps=STEPS, random_state=0)
model.fit(frame)

# %% [markdown]
# The verdict says which member carried the forecast, and how much larger the loss would be without
# the heaviest member and without the adapter.

# %%
print(model.verdict_.carried)
model.verdict_.to_frame().round(3)

# %% [markdown]
# ## Forecast
#
# Forecast any number of steps, here with 80 % intervals. Beyond the trained horizon, the forecast
# is rolled out.

# %%
forecast = model.predict(h=96, level=[80])
forecast.head()

# %%
model.plot(frame, forecast)

# %% [markdown]
# `predict` also forecasts series that were not in `fit`, here the first one in other units.

# %%
new = frame[frame.unique_id == "OT"].assign(unique_id="OT in Fahrenheit")
new = new.assign(y=new.y * 9 / 5 + 32)
model.predict(new, h=3)

# %% [markdown]
# ## Backtest
#
# Train on the rows before an origin, forecast the rows after it, and compare with simple forecasts
# on rows that no model has seen.

# %%
SIMPLE = ["seasonal_naive", "drift", "theta", "profile_ar"]
backtest = model.cross_validation(frame, n_windows=3, level=[80], baselines=SIMPLE)
backtest.iloc[:3, :7]

# %%
evaluate(backtest, frame, season_length=24).set_index("metric").T.sort_values("mase").round(3)

# %% [markdown]
# ## Save and load
#
# A saved model is a folder of JSON and safetensors, without the language model itself.

# %%
import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402

folder = Path(tempfile.mkdtemp()) / "model"
model.save(folder)
print({file.name: f"{file.stat().st_size / 1e6:.2f} MB" for file in sorted(folder.iterdir())})

# %%
again = TSLMForecaster.load(folder)
assert again.predict(h=96, level=[80]).equals(forecast)
