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
# # The command line and back
#
# Each method has a command that reads and writes files. A model fitted on the command line loads in
# Python, and the other way round. `tslm --help` lists the commands, `tslm fit --help` the settings of
# one.

# %%
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

from tslm import TSLMForecaster
from tslm.data.datasets.benchmarks import load

BACKBONE = os.environ.get("TSLM_NOTEBOOK_BACKBONE") or "smollm2-135m"
STEPS = int(os.environ.get("TSLM_NOTEBOOK_STEPS") or "100")
HOME = Path(tempfile.mkdtemp())

frame = load("etth1").frame
frame = frame[(frame.unique_id == "OT") & (frame.ds < "2016-08-31")]
frame.to_parquet(HOME / "oil.parquet")


def tslm(line):
    """Run `tslm LINE` and print its output."""
    command = [sys.executable, "-m", "tslm", *line.split()]
    done = subprocess.run(command, cwd=HOME, capture_output=True, text=True)
    print((done.stdout + done.stderr).strip())


# %%
small = f"backbone={BACKBONE} max_steps={STEPS} random_state=0 verbose=0"
tslm(f"fit data=oil.parquet h=24 {small} out=a")

# %%
tslm("predict model=a data=oil.parquet out=forecast.csv")
pd.read_csv(HOME / "forecast.csv").head(3)

# %% [markdown]
# A typo gives a hint, not a traceback:

# %%
tslm("fit data=oil.parquet max_stpes=3 out=b")

# %% [markdown]
# ## Back in Python

# %%
model = TSLMForecaster.load(HOME / "a")
model.plot(frame.tail(200), model.predict(h=48))
