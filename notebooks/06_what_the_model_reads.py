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
# # What the language model reads
#
# Time-LLM and S2IP make tokens from prototypes or anchors close to real words, LiPCoT from codes. You
# can plot all of them.

# %%
import os

import numpy as np

from tslm import LiPCoTTokenizer, TSLMForecaster
from tslm.data.datasets.benchmarks import load

BACKBONE = os.environ.get("TSLM_NOTEBOOK_BACKBONE") or "smollm2-135m"
STEPS = int(os.environ.get("TSLM_NOTEBOOK_STEPS") or "100")

frame = load("etth1").frame
frame = frame[(frame.unique_id == "OT") & (frame.ds < "2016-08-31")]
SHARED = {"h": 24, "backbone": BACKBONE, "max_steps": STEPS, "random_state": 0, "verbose": 0}
SHARED["base"] = None  # the adapter alone

# %% [markdown]
# ## Prototypes of Time-LLM
#
# Each patch is a mixture of prototypes, and each prototype has nearest words. The notebook on ablation
# tests if the meaning of these words matters.

# %%
time_llm = TSLMForecaster(adapter="time_llm", context_length=192, **SHARED).fit(frame)
explanation = time_llm.explain(top=3)
explanation.words.head(6)

# %%
explanation.plot()

# %% [markdown]
# ## Anchors of S2IP

# %%
s2ip = TSLMForecaster(adapter="s2ip", context_length=192, **SHARED).fit(frame)
s2ip.explain(top=3).plot()

# %% [markdown]
# ## Codes of LiPCoT
#
# A code is a linear filter, which has a spectrum. The tokenizer works without a forecaster.

# %%
series = frame.y.to_numpy()[:1200]
frames = series.reshape(-1, 24)
tokenizer = LiPCoTTokenizer(order=4, n_codes=8, random_state=0).fit(frames)
codes = tokenizer.transform(frames)
codes[:5]

# %%
from tslm.plots.codes import plot_codes, plot_transitions  # noqa: E402

plot_codes(series[:480], np.arange(0, 480, 24), codes[:20], 24)

# %%
plot_transitions(codes[:, 0])
