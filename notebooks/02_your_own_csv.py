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
# # Your own CSV
#
# Any table with one row per series and time works. Here it is a file of daily sales of two shops,
# with other column names, a gap, a missing value and a shop that opened late.

# %%
import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from tslm import DataError, TSLMForecaster

BACKBONE = os.environ.get("TSLM_NOTEBOOK_BACKBONE") or "smollm2-135m"
STEPS = int(os.environ.get("TSLM_NOTEBOOK_STEPS") or "200")

dice = np.random.default_rng(0)
days = pd.date_range("2023-01-02", periods=400, freq="D")
week = np.array([0, 1, 2, 3, 6, 9, 4])[np.arange(400) % 7]
north = pd.DataFrame({"shop": "north", "day": days, "sold": 20 + week + dice.normal(size=400)})
south = north[100:].assign(shop="south", sold=lambda shop: 3 * shop.sold)
table = pd.concat([north.drop(index=[50, 51]), south])
table.loc[table.day == "2023-09-01", "sold"] = np.nan
file = Path(tempfile.mkdtemp()) / "sales.csv"
table.to_csv(file, index=False)

# %% [markdown]
# ## Read it
#
# Give the names of the columns; the frequency and the season are inferred from the dates. Gaps are
# not used in statistics and in the loss (`missing="mask"`), and one warning counts them.

# %%
df = pd.read_csv(file, parse_dates=["day"])
model = TSLMForecaster(
    h=14,
    backbone=BACKBONE,
    id_col="shop",
    time_col="day",
    target_col="sold",
    max_steps=STEPS,
    random_state=0,
)
model.fit(df)

# %%
forecast = model.predict()
forecast.groupby("shop").head(2)

# %%
model.plot(df, forecast)

# %% [markdown]
# ## When something is wrong
#
# Errors say what is wrong, where, and how to fix it.

# %%
twice = pd.concat([df, df.tail(1)])
try:
    model.fit(twice)
except DataError as error:
    print(error)

# %% [markdown]
# ## polars
#
# Frames of polars are accepted, and the forecast is a polars frame.

# %%
try:
    import polars as pl
except ImportError:
    print("polars is not installed: pip install polars")
else:
    print(model.predict(pl.from_pandas(df), h=2))
