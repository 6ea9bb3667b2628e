"""iTransformer: one token per channel, and attention between channels.

Liu et al., "iTransformer: Inverted Transformers Are Effective for Time Series Forecasting",
ICLR 2024. https://arxiv.org/abs/2310.06625

Departures: time features have a map of their own (``marks="shared"`` is as published), missing
values are left out of the statistics and replaced by the mean, a channel without any value is
masked, and windows with a small spread are divided by ``floor``.
"""

from collections.abc import Iterable

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from tslm.core.calendar import Calendar
from tslm.core.errors import ConfigError, warn
from tslm.core.messages import check_choice
from tslm.core.types import Batch, Task
from tslm.models.baselines.direct import DirectNetwork
from tslm.models.layers.scale import Scale

MARKS = ("none", "separate", "shared")


class ITransformer(DirectNetwork):
    """Transformer encoder over channels; each context is a token, mapped to the horizon.

    No weight depends on the number of channels, so it may differ between fit and predict.

    Args:
        task: gives L, H, the frequency and the time zone.
        width: size of a token, D.
        layers: number of blocks, with layer normalisation after each part.
        heads: heads of each attention.
        hidden: width inside the feed-forward parts; None is ``width``.
        dropout: dropout in all layers.
        use_norm: True if windows are normalised by their own level and spread.
        marks: time features as further tokens: ``separate`` with an embedding of their own,
            ``shared`` with that of the values, as published, or ``none``.
        channels_per_batch: channels of a training step, drawn at random each time; None is all.
        floor: smallest spread by which a window is divided, in units of the training spread.

    Raises:
        ConfigError: if ``marks`` is unknown or needs dates, or ``width`` is not a multiple of
            ``heads``.
    """

    multivariate = True

    def __init__(
        self,
        *,
        task: Task,
        width: int = 128,
        layers: int = 2,
        heads: int = 8,
        hidden: int | None = None,
        dropout: float = 0.1,
        use_norm: bool = True,
        marks: str = "none",
        channels_per_batch: int | None = None,
        floor: float = 0.1,
    ) -> None:
        super().__init__(task)
        check_choice("marks", marks, MARKS)
        if marks != "none" and not task.dated:
            raise ConfigError(
                f"marks={marks} needs dates, but the times are integers. Set marks=none."
            )
        if width % heads:
            raise ConfigError(f"width={width} must be a multiple of heads={heads}.")
        self.use_norm, self.marks, self.floor = use_norm, marks, floor
        self.channels_per_batch, self.reads_time = channels_per_batch, marks != "none"
        self.calendar = Calendar(freq=task.freq, tz=task.tz, dated=task.dated)
        self.embed = nn.Linear(task.context_length, width)
        self.embed_marks = nn.Linear(task.context_length, width) if marks == "separate" else None
        self.drop = nn.Dropout(dropout)
        block = nn.TransformerEncoderLayer(
            width, heads, hidden or width, dropout, "gelu", batch_first=True
        )
        self.encoder = nn.TransformerEncoder(
            block, layers, nn.LayerNorm(width), enable_nested_tensor=False
        )
        self.project = nn.Linear(width, task.horizon)

    def learn(self, train: Iterable[Batch], val: Iterable[Batch]) -> None:
        for batch in train:
            if batch.past.shape[2] == 1 and self.marks == "none":
                warn(
                    "iTransformer attends between channels, but the data have only one: it is a "
                    "small feed-forward network here."
                )
            return

    def loss(self, batch: Batch, criterion: str = "mse") -> Float[Tensor, ""]:
        channels = batch.past.shape[2]
        if self.channels_per_batch is None or self.channels_per_batch >= channels:
            return super().loss(batch, criterion)
        some = torch.randperm(channels, device=batch.past.device)[: self.channels_per_batch]
        part = Batch(batch.past[:, :, some], batch.future[:, :, some], batch.time)
        return super().loss(part, criterion)

    def extend(
        self, past: Float[Tensor, "B L C"], time: Int[Tensor, "B L"]
    ) -> Float[Tensor, "B H C"]:
        marks = None if self.marks == "none" else self._features(time).to(past)
        return self.read(past, marks)

    def read(
        self, past: Float[Tensor, "B L C"], marks: Float[Tensor, "B L features"] | None
    ) -> Float[Tensor, "B H C"]:
        """Forecast the next H steps of all channels, from the context and its time features."""
        scale = Scale.of(past, floor=self.floor) if self.use_norm else None
        values = past if scale is None else scale.apply(past)
        empty = torch.isnan(values).all(1)
        tokens = self.tokens(torch.nan_to_num(values), marks)
        hidden = self.encoder(tokens, src_key_padding_mask=self._mask(empty, tokens))
        ahead = rearrange(self.project(hidden)[:, : past.shape[2]], "B C H -> B H C")
        return ahead if scale is None else scale.undo(ahead)

    def tokens(
        self, values: Float[Tensor, "B L C"], marks: Float[Tensor, "B L features"] | None
    ) -> Float[Tensor, "B N D"]:
        """Embed each channel as a token, then each time feature."""
        embedded = self.embed(rearrange(values, "B L C -> B C L"))
        if marks is not None:
            embed = self.embed if self.embed_marks is None else self.embed_marks
            further = embed(rearrange(marks, "B L F -> B F L"))
            embedded = torch.cat([embedded, further], 1)
        return self.drop(embedded)

    def _features(self, time: Int[Tensor, "B L"]) -> Float[Tensor, "B L features"]:
        """Compute calendar features of each time."""
        distinct, where = torch.unique(time.cpu(), return_inverse=True)
        table = torch.from_numpy(self.calendar.features(distinct.numpy()))
        return table[where].to(time.device)

    @staticmethod
    def _mask(
        empty: Bool[Tensor, "B C"], tokens: Float[Tensor, "B N D"]
    ) -> Bool[Tensor, "B N"] | None:
        """Return True for tokens that are masked: channels without a value, unless all are."""
        if not empty.any():
            return None
        empty = empty & ~empty.all(1, keepdim=True)
        rest = empty.new_zeros(len(empty), tokens.shape[1] - empty.shape[1])
        return torch.cat([empty, rest], 1)
