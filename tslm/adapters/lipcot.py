"""LiPCoT: a series is a sentence of codes, each of which is a filter.

Anjum, "LiPCoT: Linear Predictive Coding based Tokenizer for Self-supervised Learning of Time Series
Data via Language Models", 2024. https://arxiv.org/abs/2408.07292

The paper classifies; to forecast is our own design. Departures: the profile of the season is taken
off before frames are coded (codes of raw windows cannot forecast); level and gain are parts of a
token; a further token stands for the whole context; the body is a pretrained one; codes are
embedded by their spectra and not as words, unless ``embedding`` says so.
"""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import one_hot, pad

from tslm.adapters.base import Adapter
from tslm.adapters.timestamps import NumericTimestamps
from tslm.errors import ConfigError
from tslm.lexicon import Lexicon
from tslm.nn.burg import Autoregression, zero_input_response
from tslm.nn.classical import Resolved, repeat_season, resolved
from tslm.nn.codebook import SPECIAL, Codebook, Codes, itakura, per_power
from tslm.nn.frames import Estimator, Frames
from tslm.nn.latent import cepstrum
from tslm.nn.patching import begun, patch
from tslm.nn.scale import Norm
from tslm.types import Batch, Context, Facts, Layout, Outlook, Sizes, Task, Tokens

EMBEDDINGS = ("latent", "table", "words")
CODES = ("learnt", "random", "permuted", "shuffled")
LEARNT_ROWS = 64  # windows of a batch that the codebook is learnt from
BATCHES = 32  # and how many batches
_PER_COEFFICIENT = 4  # steps of a frame that each coefficient of its filter needs
_QUIET = 1e-8  # power below which a residual says nothing


class LiPCoT(Adapter):
    """One token per frame of the residual, one for the whole context, and the filters of codes.

    Args:
        lexicon: the words of the body.
        task: gives L, H and the season.
        order: coefficients of the filters that continue a series, p.
        frame_length: steps of a frame, S; frames lie end to end, the last ends with the context.
        n_codes: filters of a codebook, K; there is one for frames and one for contexts.
        gain_codes: bins of the power of a frame.
        level_codes: bins of its mean.
        latent: how spectra are compared, see ``tslm.nn.codebook``.
        embedding: ``latent`` maps the spectrum of a code, its gain and its level; ``table`` has a
            free vector for each code; ``words`` gives each code a word, and trains nothing.
        calendar: whether ``latent`` and ``table`` also tell the time of a frame.
        evidence: how many steps of the context count as evidence for a code (its likelihood is
            tempered to so many); 0 leaves all to the body.
        codes: ``learnt``; or a control: ``random`` filters, ``permuted`` embeddings of codes,
            frames ``shuffled`` in time.
        norm: see ``Scale.of``.
        floor: least spread a window is divided by, in units of the training spread.

    Raises:
        ConfigError: if a size or a choice is impossible.
    """

    needs_causal = True

    def __init__(
        self,
        *,
        lexicon: Lexicon,
        task: Task,
        order: int = 24,
        frame_length: int = 24,
        n_codes: int = 16,
        gain_codes: int = 8,
        level_codes: int = 16,
        latent: str = "itakura",
        embedding: str = "latent",
        calendar: bool = True,
        evidence: float = 200.0,
        codes: str = "learnt",
        norm: Norm = "window",
        floor: float = 0.1,
    ) -> None:
        super().__init__(lexicon, task, norm, floor)
        for name, value, known in (("embedding", embedding, EMBEDDINGS), ("codes", codes, CODES)):
            if value not in known:
                raise ConfigError(f"{name} {value!r} is unknown. Choose one of {', '.join(known)}.")
        if not 1 <= frame_length <= task.context_length:
            raise ConfigError(
                f"frame_length {frame_length} does not fit into context_length "
                f"{task.context_length}. Set it to {task.context_length} or less."
            )
        if frame_length < min(_PER_COEFFICIENT, task.context_length):
            raise ConfigError(
                f"frame_length {frame_length} is too short for a code: each coefficient of a "
                f"filter needs {_PER_COEFFICIENT} steps. Set it to {_PER_COEFFICIENT} or more."
            )
        if evidence < 0:
            raise ConfigError(f"evidence={evidence} must not be negative.")
        self.season_length, self.horizon = task.season_length, task.horizon
        self.order, self.evidence, self.codes = order, evidence, codes
        self.n_frames = task.context_length // frame_length
        self.layout = Layout(self.n_frames + 1, frame_length, n_codes=n_codes)
        frame_order = max(1, min(order, frame_length // _PER_COEFFICIENT))
        self.estimator = Estimator(frame_order)
        self.frame_book = Codebook(frame_order, n_codes, latent, gain_codes, level_codes)
        self.book = Codebook(order, n_codes, latent, gain_codes, level_codes)
        self.responses: Float[Tensor, "K p H"]
        self.register_buffer("responses", self._respond())
        dated = calendar and task.dated and embedding != "words"
        self.calendar = NumericTimestamps(lexicon.width, task) if dated else None
        self.embed = _EMBEDDINGS[embedding](lexicon, self.frame_book, self.book, codes)

    @classmethod
    def suggest(cls, facts: Facts, context_length: int | None, options: Mapping[str, Any]) -> Sizes:
        """512 steps, or half of the longest series; frames of whole seasons, of 24 steps or more.

        Where two of those do not fit into the context, a frame is a quarter of it.
        """
        length = context_length or min(
            max(512, 4 * facts.season_length), max(facts.longest // 2, 1)
        )
        frame = -(-24 // facts.season_length) * facts.season_length
        frame = frame if 2 * frame <= length else max(length // 4, min(4, length))
        return Sizes(length, {"frame_length": options["frame_length"] or frame})

    @classmethod
    def language(cls, options: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
        if options["codes"] != "learnt":
            return {}
        return {f"codes={kind}": {"codes": kind} for kind in CODES if kind != "learnt"}

    @torch.no_grad()
    def learn(self, train: Iterable[Batch]) -> None:
        """Learn the codebooks from evenly spread training windows."""
        if self.codes == "random":
            return
        frames, contexts = [], []
        for batch in islice(train, BATCHES):
            some = batch.past[:: -(-len(batch.past) // LEARNT_ROWS)]
            rows = self.scale(some).apply(some).to(self.responses.device)
            taken = self._take(rearrange(rows, "B L C -> (B C) L"))
            frames.append(self._frames(taken.residual))
            contexts.append(_whole(taken))
        if frames:
            self.frame_book.fit(_joined(frames))
            self.book.fit(_joined(contexts))
            self.responses.copy_(self._respond())

    def forward(self, context: Context) -> Tokens:
        values = torch.where(context.observed, context.values.double(), torch.nan)
        with torch.no_grad():
            taken = self._take(values)
            frames, whole = self._frames(taken.residual), _whole(taken)
            outlook = self._outlook(taken, context)
        embeds = torch.cat(
            [
                rearrange(
                    self.embed(self.frame_book(frames), frames, whole=False),
                    "(S N) D -> S N D",
                    N=self.n_frames,
                ),
                self.embed(self.book(whole), whole, whole=True)[:, None],
            ],
            1,
        )
        size, used = self.layout.patch_len, self.n_frames * self.layout.patch_len
        if self.calendar is not None:
            starts = context.time[:, -used:][:, ::size]
            embeds = embeds + self.calendar(torch.cat([starts, context.time[:, -1:]], 1))
        embeds = self.embed.sized(embeds)
        mask = begun(patch(context.observed[:, -used:].float(), size))
        mask = pad(mask, (0, 1), value=True)
        if self.codes == "shuffled":
            order = torch.randperm(self.n_frames, generator=torch.Generator().manual_seed(0))
            order = torch.cat([order, torch.tensor([self.n_frames])]).to(embeds.device)
            embeds, mask = embeds[:, order], mask[:, order]
        return Tokens(embeds, mask, outlook=outlook)

    def _take(self, rows: Float[Tensor, "S L"]) -> Resolved:
        """Profile and residual of normalised windows, and models of the full order."""
        taken = resolved(rows.double(), self.season_length, self.order)
        room = self.order - taken.state.shape[1]
        a, power, k = taken.model
        model = Autoregression(pad(a, (0, room)), power, pad(k, (0, room)))
        late = torch.nan_to_num(pad(taken.residual, (self.order, 0)))[:, -self.order :]
        state = late if not taken.state.shape[1] else pad(taken.state, (room, 0))
        if room and taken.state.shape[1]:
            state = torch.cat([late[:, :room], taken.state], 1)
        season = torch.nan_to_num(taken.season)
        return Resolved(season, taken.residual, model, torch.nan_to_num(state))

    def _frames(self, residual: Float[Tensor, "S L"]) -> Frames:
        used = self.n_frames * self.layout.patch_len
        cut = patch(residual[:, -used:], self.layout.patch_len)
        return self.estimator.measure(rearrange(cut, "S N P -> (S N) P"))

    def _outlook(self, taken: Resolved, context: Context) -> Outlook:
        """How each filter continues the series, and how well it has predicted it."""
        model, state = taken.model, taken.state
        starts = torch.cat(
            [state, torch.ones_like(state), pad(torch.zeros_like(state[:, 1:]), (0, 1), value=1.0)]
        )
        ahead = zero_input_response(model.coefficients.repeat(3, 1), starts, self.horizon)
        own, settle, pulse = ahead.chunk(3)
        pulse = torch.cat([torch.ones_like(pulse[:, :1]), pulse[:, :-1]], 1)
        excess = pad(itakura(per_power(model), self.book.filters), (1, 0))
        weight = context.observed.sum(1, keepdim=True).clamp(max=self.evidence)
        like = context.values
        return Outlook(
            season=repeat_season(taken.season, self.horizon).to(like),
            state=state.to(like),
            own=own.to(like),
            settle=settle.to(like),
            pulse=pulse.to(like),
            responses=self.responses.to(like),
            evidence=(-weight / 2 * excess.log1p()).to(like),
            power=(model.power[:, None] * (1 + excess)).to(like),
        )

    def _respond(self) -> Float[Tensor, "K p H"]:
        """What each code expects after a 1 at each place of the state."""
        count, order = self.book.filters.shape
        unit = torch.eye(order, dtype=torch.float64, device=self.book.filters.device)
        ahead = zero_input_response(
            self.book.filters.repeat_interleave(order, 0), unit.repeat(count, 1), self.horizon
        )
        return rearrange(ahead, "(K p) H -> K p H", K=count).float()


class CodeEmbedding(nn.Module):
    """Codes as vectors of the size of words.

    Args:
        lexicon: the words of the body.
        frame_book: of frames.
        book: of whole contexts.
        codes: ``permuted`` gives codes the vectors of others.
    """

    def __init__(self, lexicon: Lexicon, frame_book: Codebook, book: Codebook, codes: str) -> None:
        super().__init__()
        self.size = float(lexicon.words.float().square().mean(1).sqrt().mean())
        self.n_codes = len(book.filters)
        self.gain_codes, self.level_codes = len(book.gains.values), len(book.levels.values)
        dice = torch.Generator().manual_seed(0)
        order = torch.arange(self.n_codes)
        if codes == "permuted":
            order = torch.randperm(self.n_codes, generator=dice)
        self.names: Int[Tensor, " V"]
        names = torch.cat([torch.arange(SPECIAL), SPECIAL + order])
        self.register_buffer("names", names, persistent=False)
        self.make(lexicon, frame_book, book)

    def make(self, lexicon: Lexicon, frame_book: Codebook, book: Codebook) -> None:
        """Make what it consists of."""
        raise NotImplementedError

    def sized(self, vectors: Float[Tensor, "S N D"]) -> Float[Tensor, "S N D"]:
        """Vectors of the mean size of words."""
        rms = vectors.square().mean(2, keepdim=True).add(1e-12).sqrt()
        return self.size * vectors / rms


class LatentEmbedding(CodeEmbedding):
    """A linear map of the spectrum of a code, its gain, its level, and both as numbers."""

    def make(self, lexicon: Lexicon, frame_book: Codebook, book: Codebook) -> None:
        self.books = (frame_book, book)  # a tuple: the buffers are the adapter's
        self.n_cepstra = 2 * book.filters.shape[1]
        width = self.n_cepstra + SPECIAL + self.gain_codes + self.level_codes + 3
        self.map = nn.Linear(width, lexicon.width)

    def forward(self, codes: Codes, frames: Frames, *, whole: bool) -> Float[Tensor, "R D"]:
        filters = self.books[whole].filters
        shapes = torch.block_diag(
            torch.eye(SPECIAL).to(filters), 2**0.5 * cepstrum(filters, self.n_cepstra)
        )
        numbers = [
            torch.nan_to_num(frames.level).clamp(-10, 10),
            frames.model.power.clamp(min=_QUIET).log() / 4,
            torch.full_like(frames.level, float(whole)),
        ]
        parts = [
            shapes[self.names[codes.shape]],
            one_hot(codes.gain, self.gain_codes),
            one_hot(codes.level, self.level_codes),
            torch.stack(numbers, 1),
        ]
        return self.map(torch.cat(parts, 1).to(self.map.weight))


class TableEmbedding(CodeEmbedding):
    """A free vector for each code, gain and level, of frames and of contexts; their sum."""

    def make(self, lexicon: Lexicon, frame_book: Codebook, book: Codebook) -> None:
        self.sizes = (SPECIAL + self.n_codes, self.gain_codes, self.level_codes)
        self.table = nn.Parameter(torch.randn(2 * sum(self.sizes), lexicon.width))

    def forward(self, codes: Codes, frames: Frames, *, whole: bool) -> Float[Tensor, "R D"]:
        shapes, gains, levels = self.table[whole * sum(self.sizes) :].split(
            [*self.sizes, len(self.table) - (1 + whole) * sum(self.sizes)]
        )[:3]
        return shapes[self.names[codes.shape]] + gains[codes.gain] + levels[codes.level]


class WordEmbedding(CodeEmbedding):
    """A drawn word of the body for each code, gain and level; their sum. Nothing is trained."""

    def make(self, lexicon: Lexicon, frame_book: Codebook, book: Codebook) -> None:
        self.sizes = (SPECIAL + self.n_codes, self.gain_codes, self.level_codes)
        dice = torch.Generator().manual_seed(0)
        count, words = 2 * sum(self.sizes), len(lexicon.words)
        drawn = torch.randperm(words, generator=dice)[torch.arange(count) % words]
        self.table: Float[Tensor, "W D"]
        self.register_buffer("table", lexicon.embed(drawn).float(), persistent=False)

    forward = TableEmbedding.forward


_EMBEDDINGS: dict[str, type[CodeEmbedding]] = {
    "latent": LatentEmbedding,
    "table": TableEmbedding,
    "words": WordEmbedding,
}


def _whole(taken: Resolved) -> Frames:
    """Whole residuals as frames."""
    observed = ~torch.isnan(taken.residual)
    missing = ~observed.any(1)
    flat = ~missing & (taken.model.power <= _QUIET**2)
    return Frames(
        torch.nan_to_num(taken.residual).sum(1) / observed.sum(1).clamp(min=1),
        taken.model,
        flat,
        missing,
    )


def _joined(parts: list[Frames]) -> Frames:
    """Frames of several batches, end to end."""
    model = Autoregression(*(torch.cat(p) for p in zip(*(f.model for f in parts), strict=True)))
    rest = zip(*((f.level, f.flat, f.missing) for f in parts), strict=True)
    level, flat, missing = (torch.cat(p) for p in rest)
    return Frames(level, model, flat, missing)
