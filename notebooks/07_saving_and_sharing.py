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
# # Saving, sharing, offline use
#
# A saved model is a folder of JSON and safetensors: adapter, decoder, scalers, settings, and the
# fingerprint of the language model instead of its weights. There is no pickle. Loading imports
# nothing that the folder names, and refuses files that were changed.

# %%
import os
import tempfile
from pathlib import Path

from tslm import DataError, TSLMForecaster
from tslm.data.datasets.benchmarks import load
from tslm.interfaces.hub import HubModel, pull

BACKBONE = os.environ.get("TSLM_NOTEBOOK_BACKBONE") or "smollm2-135m"
STEPS = int(os.environ.get("TSLM_NOTEBOOK_STEPS") or "100")

frame = load("etth1").frame
frame = frame[(frame.unique_id == "OT") & (frame.ds < "2016-08-31")]
model = TSLMForecaster(h=24, backbone=BACKBONE, max_steps=STEPS, random_state=0, verbose=0)
model.fit(frame)

# %%
home = Path(tempfile.mkdtemp())
model.save(home / "model")
{file.name: f"{file.stat().st_size / 1e3:.0f} kB" for file in sorted((home / "model").iterdir())}

# %%
again = TSLMForecaster.load(home / "model")
assert again.predict().equals(model.predict())

# %% [markdown]
# ## Tampered folders are refused

# %%
weights = home / "model" / "weights.safetensors"
whole = weights.read_bytes()
weights.write_bytes(whole[:-1] + b"?")
try:
    TSLMForecaster.load(home / "model")
except DataError as error:
    print(str(error).replace(str(home), "..."))
weights.write_bytes(whole)

# %% [markdown]
# ## Sharing
#
# `tslm.interfaces.hub.push(model, "me/sales")` uploads the folder to the Hugging Face hub with a card, and
# `pull("me/sales", download=True)` downloads it. The repository is private, unless `private=False`.
# `history=False` does not upload the rows of the series. Here the "hub" is a folder.

# %%
HubModel(model).save_pretrained(home / "shared")
print((home / "shared" / "README.md").read_text())

# %%
assert pull(str(home / "shared")).predict().equals(model.predict())

# %% [markdown]
# ## Offline
#
# `load` downloads nothing unless `download=True`. Download the language model while you have a network
# (`tslm backbone pull smollm2-135m`). Then `TSLM_OFFLINE=1` forbids every download.
