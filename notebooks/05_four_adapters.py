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
# # The four adapters
#
# AutoTimes reads segments and predicts the next one. Time-LLM describes patches by words, after a
# text prompt. S2IP puts the nearest words before the patches. LiPCoT uses linear-predictive codes and
# starts from a classical forecast. Each adapter is one file, and all are used in the same way.
# `base=None` is the adapter alone; the default mixes it with classical rules.

# %%
import os

from tslm import TSLMForecaster
from tslm.data.datasets.benchmarks import load
from tslm.evaluation.metrics.backtest import evaluate

BACKBONE = os.environ.get("TSLM_NOTEBOOK_BACKBONE") or "smollm2-135m"
STEPS = int(os.environ.get("TSLM_NOTEBOOK_STEPS") or "100")

frame = load("etth1").frame
frame = frame[(frame.unique_id == "OT") & (frame.ds < "2016-10-01")]

# %%
ADAPTERS = ["autotimes", "time_llm", "s2ip", "lipcot"]
models = {
    name: TSLMForecaster(
        h=24,
        adapter=name,
        base=None,
        backbone=BACKBONE,
        context_length=192,
        max_steps=STEPS,
        random_state=0,
        verbose=0,
    )
    for name in ADAPTERS
}
models["time_llm"].set_params(prompt="Hourly oil temperature of an electricity transformer.")
backtest = None
for model in models.values():
    part = model.cross_validation(frame, n_windows=2, baselines=["profile_ar"])
    backtest = part if backtest is None else backtest.assign(**{model.name: part[model.name]})
evaluate(backtest, frame, season_length=24).round(3)

# %%
models["autotimes"].plot(frame.tail(200), backtest.drop(columns=["y", "cutoff"]))

# %% [markdown]
# The numbers of trained and frozen weights of each:

# %%
for name, model in models.items():
    model.fit(frame)
    weights = list(model.model_.parameters())
    trained = sum(weight.numel() for weight in weights if weight.requires_grad)
    print(f"{name:<10} {trained:>9,} of {sum(w.numel() for w in weights):>11,} weights trained")

# %%
models["time_llm"]
