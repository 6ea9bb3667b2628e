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
# # Does the language model help?
#
# Every `fit` warns if a forecast that needs no training is better. `ablate` asks the harder question:
# does the *language model* help, or would something else in its place be as good? It trains the model
# and its substitutes (no backbone at all, one attention layer, random weights ...) on the same windows
# and compares them with paired intervals. `base=None` is the adapter alone, without the classical rules
# of the default.

# %%
import os

from tslm import TSLMForecaster
from tslm.data.datasets.benchmarks import load
from tslm.plots.results import plot_ablation

BACKBONE = os.environ.get("TSLM_NOTEBOOK_BACKBONE") or "smollm2-135m"
STEPS = int(os.environ.get("TSLM_NOTEBOOK_STEPS") or "100")

frame = load("etth1").frame
frame = frame[frame.unique_id.isin(["OT", "HUFL"]) & (frame.ds < "2016-12-01")]

# %%
model = TSLMForecaster(
    h=24, base=None, backbone=BACKBONE, max_steps=min(STEPS, 100), random_state=0, verbose=0
)
model.fit(frame)
model.verdict_.to_frame().round(3)

# %% [markdown]
# Compare it with its substitutes on the last four weeks. This takes a few minutes with a real
# language model.

# %%
table = model.ablate(frame, n_windows=28)
table[["arm", "mse", "mae", "change_percent", "low", "high", "verdict"]].round(3)

# %%
plot_ablation(table)

# %%
for answer in model.ablation_.answers:
    print(answer.sentence)
