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
# # Your own CSV
#
# Any table with one row a series and time will do. Here it is a file of daily sales of two shops,
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
# Say what the columns are called; the frequency and the season are read off the dates. Gaps are
# left out of statistics and of the loss (`missing="mask"`), and counted in one warning.

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
# Errors say what, where, and how to mend it.

# %%
twice = pd.concat([df, df.tail(1)])
try:
    model.fit(twice)
except DataError as error:
    print(error)

# %% [markdown]
# ## polars
#
# Frames of polars go in and come out as such.

# %%
try:
    import polars as pl
except ImportError:
    print("polars is not installed: pip install polars")
else:
    print(model.predict(pl.from_pandas(df), h=2))
