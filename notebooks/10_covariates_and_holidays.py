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
# # Covariates and holidays
#
# The effect of covariates (the weather, a promotion, a holiday) is estimated and subtracted before the
# language model reads the series, and added to the forecast. If covariates do not help, `fit`
# ignores them and warns.

# %%
import os
from importlib.util import find_spec

import numpy as np
import pandas as pd

from tslm import DataError, TSLMForecaster

BACKBONE = os.environ.get("TSLM_NOTEBOOK_BACKBONE") or "smollm2-135m"
STEPS = int(os.environ.get("TSLM_NOTEBOOK_STEPS") or "200")

dice = np.random.default_rng(0)
days = pd.date_range("2021-01-01", periods=900, freq="D")
promotion = (dice.random(900) < 0.15).astype(float)
week = np.array([0, 1, 2, 3, 6, 9, 4])[np.arange(900) % 7]
sold = 20 + week + 8 * promotion + dice.normal(size=900)
df = pd.DataFrame({"unique_id": "shop", "ds": days, "y": sold, "promotion": promotion})
known, ahead = df[:-14], df[-14:]

# %% [markdown]
# ## With and without
#
# The promotions of the next two weeks are planned, so they are known ahead.

# %%
SHARED = {"h": 14, "backbone": BACKBONE, "max_steps": STEPS, "random_state": 0, "verbose": 0}
SHARED["base"] = None  # the adapter alone
plain = TSLMForecaster(alias="plain", **SHARED).fit(known[["unique_id", "ds", "y"]])
informed = TSLMForecaster(alias="informed", futr_exog=["promotion"], **SHARED).fit(known)

# %%
plan = ahead[["unique_id", "ds", "promotion"]]
both = plain.predict().merge(informed.predict(futr_df=plan))
errors = both[["plain", "informed"]].sub(ahead.y.to_numpy(), axis=0)
errors.abs().mean()

# %%
informed.plot(df, both)

# %% [markdown]
# ## Rows that must be given
#
# `make_future_dataframe` returns the rows that are needed; `predict` names missing ones.

# %%
informed.make_future_dataframe(h=3)

# %%
try:
    informed.predict(futr_df=plan.iloc[:5])
except DataError as error:
    print(error)

# %% [markdown]
# ## Holidays
#
# `holidays="DE"` adds a country's public holidays (`pip install 'tslm[holidays]'`).

# %%
if find_spec("holidays"):
    german = TSLMForecaster(holidays="DE", **SHARED).fit(known[["unique_id", "ds", "y"]])
    print(german.predict().head(3))
else:
    print("holidays is not installed")
