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
# # Say what is coming
#
# You often know more about next week than the past can tell: a street is closed, a festival comes,
# a sensor is off. Write it in a sentence. The language model reads it, and the forecast follows.

# %%
import os

import pandas as pd

from tslm import BaselineForecaster
from tslm.data.datasets.demonstration import bikes
from tslm.data.events import read

# The reader is SmolLM2-135M with a small head that comes with tslm. Tests of this notebook set
# TSLM_NOTEBOOK_BACKBONE=tiny; they then read by rules, without a language model.
BACKBONE = os.environ.get("TSLM_NOTEBOOK_BACKBONE") or "smollm2-135m"
READER = "smollm2-135m" if BACKBONE == "smollm2-135m" else "rules"

# %% [markdown]
# ## A forecast of rented bikes, hour by hour
#
# A seasonal autoregression forecasts here, so that it is quick. Statements act in the same way on
# the forecast of every other model.

# %%
rentals = bikes().frame
rentals = rentals[rentals.ds < "2012-06-04"].tail(24 * 7 * 30)
model = BaselineForecaster("profile_ar", h=168, val_size=5 * 168, text_reader=READER, floor=0)
model.fit(rentals)
plain = model.predict(level=[80])

# %% [markdown]
# ## Three sentences about next week
#
# One row per statement. `start` and `end` are the first and the last step concerned. Write how much
# in your own words.

# %%
events = pd.DataFrame(
    [
        ("2012-06-05 07:00", "2012-06-05 20:00", "Heavy rain will cut rentals in half."),
        ("2012-06-07 08:00", "2012-06-07 12:00", "All stations are closed for maintenance."),
        (
            "2012-06-09 10:00",
            "2012-06-09 22:00",
            "A street festival brings twice the usual riders.",
        ),
    ],
    columns=["start", "end", "text"],
)
found = model.explain(events=events)
found.effects[["text", "steps", "factor", "replaced", "before", "after"]].round(2)

# %%
found.plot()

# %% [markdown]
# `predict` gives the same forecast, with intervals.

# %%
model.predict(events=events, level=[80]).iloc[30:36]

# %% [markdown]
# ## From free text
#
# `read` finds spans and bounds in a text. It returns a table that you can correct.

# %%
text = """
On 2012-06-06 from 17:00 to 19:00 rentals will be three times the usual.
Rentals cannot exceed 600 per hour.
"""
reading = read(text, rentals, h=168)
reading.events

# %%
model.explain(events=reading.events).effects[["text", "start", "end", "factor", "upper"]]

# %% [markdown]
# ## What happened before
#
# Statements about the past can be given to `fit`. Their effects are measured, and correct what the
# reader expects: a statement that had no effect before is no longer believed. `said_at` says since
# when a statement was known, so that a backtest reads it only from then on.
#
# More is in [the page on text](../text.md): what was measured, when text helps, and when it does
# not.
