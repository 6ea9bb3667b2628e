"""Changes of training contexts: own forecasts, hidden segments and noise.

A roll-out reads its own forecasts, but training reads true values. These changes make training
contexts more like those of a roll-out. The loss always compares with the true values.

Bengio et al., "Scheduled Sampling for Sequence Prediction with Recurrent Neural Networks",
NeurIPS 2015 (own forecasts, more and more often). Zhuang et al., "Mask-Enhanced Autoregressive
Prediction", 2025 (hidden inputs). Ren et al., "Beyond Next-Token: Next-X Prediction for
Autoregressive Visual Generation", 2025 (noisy contexts).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from tslm.core.errors import ConfigError
from tslm.core.forecaster import Forecaster
from tslm.core.types import Batch
from tslm.models.mix.members import fitted_to

RAMP = 0.5  # fraction of training in which own forecasts become more frequent; chosen by hand


@dataclass(frozen=True)
class InputChanges:
    """Random changes of the contexts that a forecaster is trained on.

    Random numbers come from torch's generators, which checkpoints hold. Nothing is drawn for a
    change that is 0, so that training without changes gives the same bits as before.

    Args:
        own_rollouts: probability that the last segment of a context is the model's own forecast,
            without gradient. It rises linearly from 0 in the first half of training.
        mask_inputs: probability that one segment of a context is missing.
        context_noise: standard deviation of noise on the contexts, as a multiple of that of each
            window.
    """

    own_rollouts: float
    mask_inputs: float
    context_noise: float

    def __bool__(self) -> bool:
        return bool(self.own_rollouts or self.mask_inputs or self.context_noise)

    def check(self, model: Forecaster, context_length: int) -> None:
        """Refuse contexts that are too short for these changes.

        Args:
            model: the forecaster to train.
            context_length: steps of its contexts.

        Raises:
            ConfigError: if a context is not longer than the segment that is replaced or hidden.
        """
        for name, steps in [("own_rollouts", model.step), ("mask_inputs", hidden_steps(model))]:
            if getattr(self, name) and not 0 < steps < context_length:
                raise ConfigError(
                    f"trainer.{name} changes a segment of {steps} steps of each context, but "
                    f"context_length is {context_length}. Set context_length above {steps}, or "
                    f"trainer.{name}=0."
                )

    def apply(self, batch: Batch, model: Forecaster, progress: float) -> Batch:
        """Return the batch with changed contexts, and the true ones as ``true_past``.

        Args:
            batch: windows and the steps after them.
            model: the forecaster in training; it makes the own forecasts.
            progress: fraction of training that is done, from 0 to 1.
        """
        past = batch.past
        if self.own_rollouts:
            chance = self.own_rollouts * min(progress / RAMP, 1.0)
            past = with_own_forecasts(batch, model, self._some(past, chance))
        if self.context_noise:
            spread = torch.nan_to_num(_spread(batch.past))
            past = past + self.context_noise * spread * torch.randn_like(past)
        if self.mask_inputs:
            past = without_segments(past, hidden_steps(model), self._some(past, self.mask_inputs))
        return batch._replace(past=past, true_past=batch.past)

    def _some(self, past: Float[Tensor, "B L C"], chance: float) -> Bool[Tensor, " B"]:
        """Choose each window with the same probability."""
        return torch.rand(len(past), device=past.device) < chance


def hidden_steps(model: Forecaster) -> int:
    """Return the steps of a hidden segment: those of a token, or of a pass without tokens."""
    return model.patch_len if model.patch_len > 1 else model.step


def with_own_forecasts(
    batch: Batch, model: Forecaster, chosen: Bool[Tensor, " B"]
) -> Float[Tensor, "B L C"]:
    """Replace the last ``model.step`` steps of some contexts by the model's own forecast.

    The model reads the steps before them, without dropout and without gradient. The steps of a
    channel that has no value before them stay as they are.

    Args:
        batch: windows.
        model: the forecaster.
        chosen: True for the contexts to change.
    """
    past, channels = batch.past, batch.past.shape[2]
    rows = chosen.nonzero().flatten()
    if not len(rows):
        return past
    text = batch.text and [batch.text[r * channels + c] for r in rows for c in range(channels)]
    context = past.shape[1]
    before = Batch.of(past[rows, : -model.step], batch.time[rows, :context], text)
    training = model.training
    model.eval()
    ahead = model.forecast(fitted_to(before, context), model.step)
    model.train(training)
    known = (~before.past.isnan()).any(1, keepdim=True)
    changed = past.clone()
    changed[rows, -model.step :] = torch.where(known, ahead, past[rows, -model.step :])
    return changed


def without_segments(
    past: Float[Tensor, "B L C"], steps: int, chosen: Bool[Tensor, " B"]
) -> Float[Tensor, "B L C"]:
    """Hide one whole segment, each with the same probability, of some contexts.

    Args:
        past: contexts.
        steps: steps of a segment; segments end with the context.
        chosen: True for the contexts to change.
    """
    length = past.shape[1]
    number = torch.randint(length // steps, (len(past), 1), device=past.device)
    back = (length - 1 - torch.arange(length, device=past.device)) // steps  # segments from the end
    hidden = (back == number) & chosen[:, None]
    return past.masked_fill(hidden[..., None], torch.nan)


def _spread(past: Float[Tensor, "B L C"]) -> Float[Tensor, "B 1 C"]:
    """Return the standard deviation of the observed values of each window."""
    known = ~past.isnan()
    count = known.sum(1, keepdim=True)
    mean = past.nansum(1, keepdim=True) / count
    return (torch.where(known, past - mean, 0).square().sum(1, keepdim=True) / count).sqrt()
