"""LiPCoT: a series is a sentence of codes, each of which is a filter.

Anjum, "LiPCoT: Linear Predictive Coding based Tokenizer for Self-supervised Learning of Time Series
Data via Language Models", 2024. https://arxiv.org/abs/2408.07292

The paper classifies; to forecast is our own design. Departures: the profile of the season is taken
off before frames are coded (codes of raw windows cannot forecast); level and gain are parts of a
token; a further token stands for the whole context; the body is a pretrained one; codes are
embedded by their spectra and not as words, unless ``embedding`` says so; the loss is that of the
forecast alone, without terms for the codes and levels of what follows; frames are coded after the
level, the spread and the profile of their whole window, which hold a little of later frames.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torch.nn.functional import pad

from tslm.core.calendar import Calendar
from tslm.core.errors import ConfigError
from tslm.core.float64 import exactly
from tslm.core.types import Batch, Context, Facts, FilterForecasts, Layout, Sizes, Task, Tokens
from tslm.models.adapters.base import Adapter
from tslm.models.adapters.code_embedding import EMBEDDINGS, QUIET
from tslm.models.adapters.timestamps import NumericTimestamps
from tslm.models.layers.lpc.burg import Autoregression, zero_input_response
from tslm.models.layers.lpc.codebook import SPECIAL, Codebook, Codes, itakura, per_power
from tslm.models.layers.lpc.framing import Estimator, Frames
from tslm.models.layers.patching import begun, patch
from tslm.models.layers.scale import Norm
from tslm.models.layers.seasonal import Resolved, repeat_season, resolved
from tslm.models.lexicon import Lexicon

CODES = ("learnt", "random", "permuted", "shuffled", "bag", "unigram", "bigram")
COUNTED = CODES[-2:]
LEARNT = 2048  # windows that the codebook is learnt from, evenly spread
_ROWS = 64  # of them measured at once
_HOUR = 3600  # seconds
_PER_COEFFICIENT = 4  # steps of a frame that each coefficient of its filter needs


class Coded(NamedTuple):
    """Frames of all series end to end: their codes, and what was measured of them."""

    codes: Codes
    frames: Frames


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
        latent: how spectra are compared, see ``tslm.models.layers.lpc.codebook``.
        embedding: ``latent`` maps the spectrum of a code, its gain and its level; ``table`` has a
            free vector for each code; ``words`` gives each code a word, and ``text`` writes it out
            in several: both train nothing.
        band: highest frequency the codes of frames look at, in cycles per season, so that data of
            any sampling rate share them (``selective``); None looks at all, in cycles per step.
        calendar: whether ``latent`` and ``table`` also tell the time of a frame.
        evidence: how many steps of the context count as evidence for a code (its likelihood is
            tempered to so many); 0 leaves all to the body.
        codes: ``learnt``; or a control: ``random`` filters, ``permuted`` embeddings of codes,
            frames ``shuffled`` in time, a ``bag`` of frames in which each is the mean of all; or
            nothing is told to the body, and filters weigh what ``unigram`` counts of codes that
            follow a context in training, or ``bigram``, by the code of the context, make of them.
        norm: see ``Scale.of``.
        floor: least spread a window is divided by, in units of the training spread.

    Raises:
        ConfigError: if a size or a choice is impossible.
    """

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
        band: float | None = None,
        calendar: bool = True,
        evidence: float = 200.0,
        codes: str = "learnt",
        norm: Norm = "window",
        floor: float = 0.1,
    ) -> None:
        super().__init__(lexicon, task, norm, floor)
        choices = (("embedding", embedding, tuple(EMBEDDINGS)), ("codes", codes, CODES))
        for name, value, known in choices:
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
        seen = frame_length  # steps of a frame at twice the rate of the band
        if band is not None:
            seen = self._seen(band, frame_length, task.season_length)
        frame_order = max(1, min(order, seen // _PER_COEFFICIENT))
        method = "burg" if band is None else "selective"
        self.estimator = Estimator(frame_order, method, band=band)
        self.frame_book = Codebook(frame_order, n_codes, latent, gain_codes, level_codes)
        self.book = Codebook(order, n_codes, latent, gain_codes, level_codes)
        self.responses: Float[Tensor, "K p H"]
        self.register_buffer("responses", self._respond())
        self.habits: Float[Tensor, "K K1"]
        self.register_buffer("habits", torch.zeros(n_codes, n_codes + 1))
        self.embed = EMBEDDINGS[embedding](lexicon, self.frame_book, self.book, codes)
        dated = calendar and task.dated and self.embed.calendar
        told = task if band is None else _hourly(task)
        self.calendar = NumericTimestamps(lexicon.width, told) if dated else None
        n_tokens = (self.n_frames + 1) * self.embed.n_tokens
        self.layout = Layout(n_tokens, frame_length, n_codes=n_codes)
        self.portable = ("embed.", "calendar.") + (() if codes == "random" else ("frame_book.",))

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
        """Learn the codebooks from training windows, evenly spread over all of them.

        That of frames stays as it is where it was learnt before, by a ``LiPCoTPretrainer``.
        """
        if self.codes == "random":
            return
        frames, contexts = self.measured(train)
        if not self.frame_book.learnt:
            self.frame_book.fit(frames)
        self.book.fit(contexts)
        self.responses.copy_(self._respond())
        if self.codes in COUNTED:
            self.habits.copy_(self._counted(train))

    def _counted(self, train: Iterable[Batch]) -> Float[Tensor, "K K1"]:
        """Log shares of codes that follow each code, times K; one more of each is counted."""
        count = len(self.book.filters)
        pairs = torch.ones(count, count)
        for some in _sample(train):
            scale, home = self.scale(some.past), self.responses.device
            rows = rearrange(scale.apply(some.past), "B L C -> (B C) L").to(home)
            later = scale.last.apply(some.future)
            taken = self._take(rows)
            season = repeat_season(taken.season, later.shape[1])
            rest = rearrange(later, "B F C -> (B C) F").to(season) - season
            before = self.book(_whole(taken)).shape
            after = self.book(Estimator(self.order).measure(rest)).shape
            seen = (before >= SPECIAL) & (after >= SPECIAL)
            ones = pairs.new_ones(int(seen.sum()))
            place = (before[seen].cpu() - SPECIAL, after[seen].cpu() - SPECIAL)
            pairs.index_put_(place, ones, accumulate=True)
        if self.codes == "unigram":
            pairs = pairs.sum(0, keepdim=True).expand(count, -1)
        return pad((pairs * count / pairs.sum(1, keepdim=True)).log(), (1, 0))

    @torch.no_grad()
    def measured(self, train: Iterable[Batch]) -> tuple[Frames, Frames]:
        """Frames of evenly spread windows, and their contexts."""
        frames, contexts = [], []
        for some in _sample(train):
            rows = self.scale(some.past).apply(some.past).to(self.responses.device)
            taken = self._take(rearrange(rows, "B L C -> (B C) L"))
            frames.append(self._frames(taken.residual))
            contexts.append(_whole(taken))
        return joined(frames), joined(contexts)

    def share(self, other: "LiPCoT") -> None:
        """Speak with the codes, the embedding and the calendar of another, and train them with it.

        Raises:
            ConfigError: if its codes are of another kind.
        """
        own, theirs = (
            (part.frame_book.filters.shape, part.calendar is None and part.embed.calendar)
            for part in (self, other)
        )
        if own != theirs:
            raise ConfigError(
                f"Codes of {own[0][1]} and of {theirs[0][1]} coefficients, with and without dates, "
                "cannot be shared. Set adapter.band, in cycles per season, for data of several "
                "sampling rates, and adapter.calendar=false where some have no dates."
            )
        self.frame_book, self.embed, self.calendar = other.frame_book, other.embed, other.calendar

    def coded(self, context: Context) -> Coded:
        """The frames of normalised windows, as they are said."""
        with torch.no_grad():
            frames = self._frames(self._take(_values(context)).residual)
            return Coded(_at(self.frame_book(frames), context.values), frames)

    def say(self, coded: Coded, context: Context) -> Tokens:
        """Frames as tokens, without one for the whole context."""
        size, used = self.layout.patch_len, self.n_frames * self.layout.patch_len
        starts = context.time[:, -used:][:, ::size]
        begin = begun(patch(context.observed[:, -used:].float(), size))
        heard = self.embed.heard(coded.codes, whole=False) & rearrange(begin, "S N -> (S N) 1")
        mask = rearrange(heard, "(S N) T -> S (N T)", N=self.n_frames)
        return Tokens(self._said(coded, starts, whole=False), mask)

    def forward(self, context: Context) -> Tokens:
        with torch.no_grad():
            taken = self._take(_values(context))
            frames, whole = self._frames(taken.residual), _whole(taken)
            outlook = self._outlook(taken, context)
            coded = Coded(_at(self.frame_book(frames), context.values), frames)
            last = Coded(_at(self.book(whole), context.values), whole)
        said = self.say(coded, context)
        embeds, mask = said.embeds, said.mask
        if self.codes == "shuffled":
            embeds, mask = self._shuffled(embeds), self._shuffled(mask)
        if self.codes == "bag":
            shares = mask[:, :, None] / mask.sum(1).clamp(min=1)[:, None, None]
            embeds = self.embed.sized((shares * embeds).sum(1, keepdim=True).expand_as(embeds))
        end = self._said(last, context.time[:, -1:], whole=True)
        if self.codes in COUNTED:
            embeds, end = torch.zeros_like(embeds), torch.zeros_like(end)
        heard = self.embed.heard(last.codes, whole=True)
        return Tokens(torch.cat([embeds, end], 1), torch.cat([mask, heard], 1), outlook=outlook)

    def _said(
        self, coded: Coded, time: Int[Tensor, "S N"], *, whole: bool
    ) -> Float[Tensor, "S N2 D"]:
        vectors = self.embed(*coded, whole=whole)
        vectors = rearrange(vectors, "(S N) T D -> S (N T) D", S=len(time))
        if self.calendar is not None:
            vectors = vectors + self.calendar(time)
        return self.embed.sized(vectors)

    def _shuffled(self, rows: Shaped[Tensor, "S N *D"]) -> Shaped[Tensor, "S N *D"]:
        """Frames in another order, the same for all series."""
        order = torch.randperm(self.n_frames, generator=torch.Generator().manual_seed(0))
        frames = rows.unflatten(1, (self.n_frames, -1))[:, order.to(rows.device)]
        return frames.flatten(1, 2)

    def _take(self, rows: Float[Tensor, "S L"]) -> Resolved:
        """Profile and residual of normalised windows, and models of the full order."""
        taken = resolved(exactly(rows), self.season_length, self.order)
        return taken._replace(season=torch.nan_to_num(taken.season))

    def _frames(self, residual: Float[Tensor, "S L"]) -> Frames:
        used = self.n_frames * self.layout.patch_len
        cut = patch(residual[:, -used:], self.layout.patch_len)
        rate = 1.0 if self.estimator.band is None else float(self.season_length)
        return self.estimator.measure(rearrange(cut, "S N P -> (S N) P"), rate)

    def _outlook(self, taken: Resolved, context: Context) -> FilterForecasts:
        """How each filter continues the series, and how well it has predicted it."""
        model, state = taken.model, taken.state
        filters = torch.cat([*[model.coefficients] * 3, self.book.filters])
        starts = torch.zeros_like(filters)
        starts[:, -1] = 1.0
        starts[: 2 * len(state)] = torch.cat([state, torch.ones_like(state)])
        reach = self.horizon + int(taken.gap.max())  # noise adds up from the last value on
        ahead = zero_input_response(filters, starts, reach)
        own, settle = ahead[: 2 * len(state), : self.horizon].chunk(2)
        pulses = pad(ahead[2 * len(state) :, :-1], (1, 0), value=1.0)
        excess = pad(itakura(per_power(model), self.book.filters), (1, 0))
        weight = context.observed.to(excess.device).sum(1, keepdim=True).clamp(max=self.evidence)
        like = context.values
        return FilterForecasts(
            season=repeat_season(taken.season, self.horizon).to(like),
            state=state.to(like),
            own=own.to(like),
            settle=settle.to(like),
            pulse=pulses[: len(state)].to(like),
            responses=self.responses.to(like),
            pulses=pulses[len(state) :].to(like),
            evidence=(-weight / 2 * excess.log1p()).to(like),
            power=(model.power[:, None] * (1 + excess)).to(like),
            habit=self.habits[excess[:, 1:].argmin(1).to(self.habits.device)].to(like),
            gap=taken.gap.to(like.device),
        )

    @staticmethod
    def _seen(band: float, frame_length: int, season_length: int) -> int:
        """How many steps of a frame a band amounts to."""
        if not 0 < band <= season_length / 2:
            raise ConfigError(
                f"band={band} must lie above 0 and not above half of season_length "
                f"{season_length}: it counts cycles per season."
            )
        return int(2 * band * frame_length / season_length + 1e-9)

    def _respond(self) -> Float[Tensor, "K p H"]:
        """What each code expects after a 1 at each place of the state."""
        count, order = self.book.filters.shape
        unit = torch.eye(order, dtype=torch.float64, device=self.book.filters.device)
        ahead = zero_input_response(
            self.book.filters.repeat_interleave(order, 0), unit.repeat(count, 1), self.horizon
        )
        return rearrange(ahead, "(K p) H -> K p H", K=count).float()


def _sample(train: Iterable[Batch]) -> Iterator[Batch]:
    """At most ``LEARNT`` windows, evenly spread over all, a few at a time."""
    total = sum(len(batch.past) for batch in train)
    chosen = torch.arange(min(total, LEARNT)) * total // max(min(total, LEARNT), 1)
    parts, first = [], 0
    for batch in train:
        rows = chosen[(chosen >= first) & (chosen < first + len(batch.past))] - first
        parts.append((batch.past[rows], batch.future[rows], batch.time[rows]))
        first += len(batch.past)
    if total:
        past, future, time = (torch.cat(part).split(_ROWS) for part in zip(*parts, strict=True))
        yield from map(Batch, past, future, time)


def _hourly(task: Task) -> Task:
    """Times told to the hour, so that series of many rates within it are told alike."""
    short = task.dated and Calendar(task.freq, task.tz, dated=True).step < _HOUR
    return replace(task, freq="h") if short else task


def _values(context: Context) -> Float[Tensor, "S L"]:
    """Normalised windows, NaN where missing."""
    values = exactly(context.values)
    return torch.where(context.observed.to(values.device), values, torch.nan)


def _at(codes: Codes, like: Tensor) -> Codes:
    """Codes on the device of the body."""
    return Codes(*(part.to(like.device) for part in codes))


def _whole(taken: Resolved) -> Frames:
    """Whole residuals as frames."""
    observed = ~torch.isnan(taken.residual)
    missing = ~observed.any(1)
    flat = ~missing & (taken.model.power <= QUIET**2)
    level = torch.nan_to_num(taken.residual).sum(1) / observed.sum(1).clamp(min=1)
    return Frames(
        torch.where(level.abs() <= QUIET, 0.0, level),  # of whole seasons it is rounding
        taken.model,
        flat,
        missing,
    )


def joined(parts: Sequence[Frames]) -> Frames:
    """Frames of several batches, end to end."""
    model = Autoregression(*(torch.cat(p) for p in zip(*(f.model for f in parts), strict=True)))
    rest = zip(*((f.level, f.flat, f.missing) for f in parts), strict=True)
    level, flat, missing = (torch.cat(p) for p in rest)
    return Frames(level, model, flat, missing)
