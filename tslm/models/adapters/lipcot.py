"""LiPCoT: a series as a sentence of codes; each code is a linear filter.

Anjum, "LiPCoT: Linear Predictive Coding based Tokenizer for Self-supervised Learning of Time Series
Data via Language Models", 2024. https://arxiv.org/abs/2408.07292

The paper classifies; forecasting is our own design. Departures: the seasonal profile is subtracted
before frames are coded (codes of raw windows cannot forecast); level and gain are parts of a
token; a further token stands for the whole context; the backbone is pretrained; codes are embedded
by their spectra instead of as words (see ``embedding``); the loss is that of the forecast alone,
without terms for the codes and levels of the future; frames are coded relative to the level, the
spread and the profile of their whole window, which contain a little information on later frames.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad

from tslm.core.calendar import Calendar
from tslm.core.errors import ConfigError
from tslm.core.float64 import exactly
from tslm.core.messages import check_choice
from tslm.core.types import Batch, Context, Facts, Sizes, Task, Tokens
from tslm.models.adapters.base import Adapter
from tslm.models.adapters.code_embedding import EMBEDDINGS
from tslm.models.adapters.lipcot_controls import (
    CODES,
    NGRAMS,
    mean_of_frames,
    ngram_weights,
    shuffle_frames,
)
from tslm.models.adapters.lipcot_frames import (
    CodedFrames,
    sample_windows,
    whole_frames,
    window_values,
)
from tslm.models.adapters.timestamps import NumericTimestamps
from tslm.models.layers.lpc.burg import zero_input_response
from tslm.models.layers.lpc.codebook import Codebook, itakura, per_power
from tslm.models.layers.lpc.filter_forecasts import CodedLayout, CodedTokens, FilterForecasts
from tslm.models.layers.lpc.framing import Estimator, Frames
from tslm.models.layers.patching import from_first_observed, patch
from tslm.models.layers.scale import Norm
from tslm.models.layers.seasonal import Decomposed, decompose_seasonal, repeat_season
from tslm.models.lexicon import Lexicon

LEARNT = 2048  # most windows that the codebook is learnt from, evenly spaced; chosen by hand
_HOUR = 3600  # seconds
_PER_COEFFICIENT = 4  # fewest steps of a frame per coefficient of its filter; chosen by hand


class LiPCoT(Adapter):
    """Tokens from codes of linear filters: one per frame, and one for the whole context.

    Args:
        lexicon: word embeddings and tokenizer of the backbone.
        task: gives L, H and the season.
        order: coefficients of the filters that continue a series, p.
        frame_length: steps of a frame; frames lie end to end, the last ends with the context.
        n_codes: filters of a codebook, K; there is one for frames and one for contexts.
        gain_codes: bins of the power of a frame.
        level_codes: bins of its mean.
        latent: distance between spectra, see ``tslm.models.layers.lpc.codebook``.
        embedding: ``latent`` maps the spectrum of a code, its gain and its level to a vector;
            ``table`` learns a vector for each code; ``words`` uses one word embedding for each
            code; ``text`` writes it out in several tokens. The last two have no weights to train.
        band: highest frequency in the codes of frames, in cycles per season, so that data of
            different sampling rates can share them; None uses all frequencies, in cycles per step.
        calendar: True if ``latent`` and ``table`` also embed the time of a frame.
        evidence: number of steps of the context that count as evidence for a code (its likelihood
            is tempered to that many); 0 leaves the choice of filters to the backbone.
        codes: ``learnt``, or a control, see ``tslm.models.adapters.lipcot_controls``.
        norm: normalisation of windows, see ``Scale.of``.
        floor: smallest spread by which a window is divided, in units of the training spread.

    Attributes:
        n_frames: frames of a context.
        frame_book: codebook of frames.
        book: codebook of whole contexts; its filters continue the series.
        responses: forecast of each code for a 1 at each place of the state.
        habits: log weight of each code after each code, of the controls ``unigram`` and
            ``bigram``; else 0.

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
        super().__init__(norm, floor)
        check_choice("embedding", embedding, EMBEDDINGS)
        check_choice("codes", codes, CODES)
        if not 1 <= frame_length <= task.context_length:
            raise ConfigError(
                f"frame_length {frame_length} does not fit into context_length "
                f"{task.context_length}. Set it to {task.context_length} or less."
            )
        if frame_length < min(_PER_COEFFICIENT, task.context_length):
            raise ConfigError(
                f"frame_length {frame_length} is too short: each coefficient of a filter needs "
                f"{_PER_COEFFICIENT} steps. Set it to {_PER_COEFFICIENT} or more."
            )
        if evidence < 0:
            raise ConfigError(f"evidence={evidence} must not be negative.")
        self.season_length, self.horizon = task.season_length, task.horizon
        self.order, self.evidence, self.codes = order, evidence, codes
        self.n_frames = task.context_length // frame_length
        samples = frame_length
        if band is not None:
            samples = self._band_samples(band, frame_length, task.season_length)
        frame_order = max(1, min(order, samples // _PER_COEFFICIENT))
        method = "burg" if band is None else "selective"
        self.estimator = Estimator(frame_order, method, band=band)
        self.frame_book = Codebook(frame_order, n_codes, latent, gain_codes, level_codes)
        self.book = Codebook(order, n_codes, latent, gain_codes, level_codes)
        self.responses: Float[Tensor, "K p H"]
        self.register_buffer("responses", self._respond())
        self.habits: Float[Tensor, "codes own_and_codes"]
        self.register_buffer("habits", torch.zeros(n_codes, n_codes + 1))
        self.embed = EMBEDDINGS[embedding](lexicon, self.frame_book, self.book, codes)
        dated = calendar and task.dated and self.embed.calendar
        coarse = task if band is None else _hourly(task)
        self.calendar = NumericTimestamps(lexicon.width, coarse) if dated else None
        self.reads_time = dated
        n_tokens = (self.n_frames + 1) * self.embed.n_tokens
        self.layout = CodedLayout(n_tokens, frame_length, n_codes=n_codes)
        self.portable = ("embed.", "calendar.") + (() if codes == "random" else ("frame_book.",))

    @classmethod
    def suggest(cls, facts: Facts, context_length: int | None, options: Mapping[str, Any]) -> Sizes:
        """Suggest 512 steps or half of the longest series, and frames of whole seasons.

        A frame has at least 24 steps. If two of them do not fit into the context, it is a quarter
        of the context.
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
        """Learn the codebooks from training windows, evenly spaced among all.

        A codebook of frames that a ``LiPCoTPretrainer`` has learnt is left as it is.
        """
        if self.codes == "random":
            return
        frames, contexts = self.measure(train)
        if not self.frame_book.learnt:
            self.frame_book.fit(frames)
        self.book.fit(contexts)
        self.responses.copy_(self._respond())
        if self.codes in NGRAMS:
            pairs, count = self._code_pairs(train), len(self.book.filters)
            self.habits.copy_(ngram_weights(pairs, count, unigram=self.codes == "unigram"))

    def _code_pairs(self, train: Iterable[Batch]) -> Iterator[tuple[Tensor, Tensor]]:
        """Code the contexts of training windows, and the steps that follow them."""
        for some in sample_windows(train, LEARNT):
            scale, home = self.scale(some.past), self.responses.device
            rows = rearrange(scale.apply(some.past), "B L C -> (B C) L").to(home)
            later = scale.last.apply(some.future)
            taken = self._take(rows)
            season = repeat_season(taken.season, later.shape[1])
            rest = rearrange(later, "B F C -> (B C) F").to(season) - season
            after = Estimator(self.order).measure(rest)
            yield self.book(whole_frames(taken)).shape, self.book(after).shape

    @torch.no_grad()
    def measure(self, train: Iterable[Batch]) -> tuple[Frames, Frames]:
        """Measure the frames of evenly spaced windows, and their whole contexts."""
        frames, contexts = [], []
        for some in sample_windows(train, LEARNT):
            rows = self.scale(some.past).apply(some.past).to(self.responses.device)
            taken = self._take(rearrange(rows, "B L C -> (B C) L"))
            frames.append(self._frames(taken.residual))
            contexts.append(whole_frames(taken))
        return Frames.concatenate(frames), Frames.concatenate(contexts)

    def share(self, other: "LiPCoT") -> None:
        """Use the codebook of frames, the embedding and the calendar of another adapter.

        The two train them together.

        Raises:
            ConfigError: if the codes of the two do not have the same shape.
        """
        own, theirs = (
            (part.frame_book.filters.shape, part.calendar is None and part.embed.calendar)
            for part in (self, other)
        )
        if own != theirs:
            raise ConfigError(
                "Data sets can share codes only if all have filters of as many coefficients (here "
                f"{own[0][1]} and {theirs[0][1]}), and all or none have dates. Set adapter.band, "
                "in cycles per season, for data of several sampling rates, and "
                "adapter.calendar=false if some have no dates."
            )
        self.frame_book, self.embed, self.calendar = other.frame_book, other.embed, other.calendar

    def encode(self, context: Context) -> CodedFrames:
        """Code the frames of normalised windows."""
        with torch.no_grad():
            frames = self._frames(self._take(window_values(context)).residual)
            return CodedFrames.on_device(self.frame_book(frames), frames, context.values)

    def frame_tokens(self, coded: CodedFrames, context: Context) -> Tokens:
        """Embed coded frames as tokens, without one for the whole context."""
        size, used = self.layout.patch_len, self.n_frames * self.layout.patch_len
        starts = context.time[:, -used:][:, ::size]
        started = from_first_observed(patch(context.observed[:, -used:].float(), size))
        used_tokens = self.embed.attended(coded.codes, whole=False)
        mask = used_tokens & rearrange(started, "S N -> (S N) 1")
        mask = rearrange(mask, "(S N) tokens -> S (N tokens)", N=self.n_frames)
        return Tokens(self._vectors(coded, starts, whole=False), mask)

    def forward(self, context: Context) -> CodedTokens:
        with torch.no_grad():
            taken = self._take(window_values(context))
            frames, whole = self._frames(taken.residual), whole_frames(taken)
            forecasts = self._forecasts(taken, context)
            coded = CodedFrames.on_device(self.frame_book(frames), frames, context.values)
            last = CodedFrames.on_device(self.book(whole), whole, context.values)
        tokens = self.frame_tokens(coded, context)
        embeds, mask = tokens.embeds, tokens.mask
        if self.codes == "shuffled":
            embeds, mask = (shuffle_frames(part, self.n_frames) for part in (embeds, mask))
        if self.codes == "bag":
            embeds = self.embed.sized(mean_of_frames(embeds, mask))
        end = self._vectors(last, context.time[:, -1:], whole=True)
        if self.codes in NGRAMS:
            embeds, end = torch.zeros_like(embeds), torch.zeros_like(end)
        attended = self.embed.attended(last.codes, whole=True)
        whole_mask = torch.cat([mask, attended], 1)
        return CodedTokens(torch.cat([embeds, end], 1), whole_mask, forecasts=forecasts)

    def _vectors(
        self, coded: CodedFrames, time: Int[Tensor, "S frames"], *, whole: bool
    ) -> Float[Tensor, "S tokens D"]:
        """Embed coded frames (or contexts, if ``whole``) that begin at the given times."""
        vectors = self.embed(*coded, whole=whole)
        vectors = rearrange(vectors, "(S N) tokens D -> S (N tokens) D", S=len(time))
        if self.calendar is not None:
            vectors = vectors + self.calendar(time)
        return self.embed.sized(vectors)

    def _take(self, rows: Float[Tensor, "S L"]) -> Decomposed:
        """Split normalised windows into profile and residual; model the residual."""
        taken = decompose_seasonal(exactly(rows), self.season_length, self.order)
        return taken._replace(season=torch.nan_to_num(taken.season))

    def _frames(self, residual: Float[Tensor, "S L"]) -> Frames:
        """Cut residuals into frames, and measure them."""
        used = self.n_frames * self.layout.patch_len
        cut = patch(residual[:, -used:], self.layout.patch_len)
        rate = 1.0 if self.estimator.band is None else float(self.season_length)
        return self.estimator.measure(rearrange(cut, "S N P -> (S N) P"), rate)

    def _forecasts(self, taken: Decomposed, context: Context) -> FilterForecasts:
        """Continue each series by each filter, and weigh how well it has predicted the context."""
        model, state = taken.model, taken.state
        filters = torch.cat([*[model.coefficients] * 3, self.book.filters])
        starts = torch.zeros_like(filters)
        starts[:, -1] = 1.0
        starts[: 2 * len(state)] = torch.cat([state, torch.ones_like(state)])
        steps = self.horizon + int(taken.gap.max())  # noise adds up from the last value on
        ahead = zero_input_response(filters, starts, steps)
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
    def _band_samples(band: float, frame_length: int, season_length: int) -> int:
        """Return the steps of a frame if it were sampled at twice the highest frequency."""
        if not 0 < band <= season_length / 2:
            raise ConfigError(
                f"band={band} must be above 0 and at most {season_length / 2}, half of "
                f"season_length {season_length}: its unit is cycles per season."
            )
        return int(2 * band * frame_length / season_length + 1e-9)

    def _respond(self) -> Float[Tensor, "K p H"]:
        """Forecast by each code from a 1 at each place of the state."""
        count, order = self.book.filters.shape
        unit = torch.eye(order, dtype=torch.float64, device=self.book.filters.device)
        ahead = zero_input_response(
            self.book.filters.repeat_interleave(order, 0), unit.repeat(count, 1), self.horizon
        )
        return rearrange(ahead, "(K p) H -> K p H", K=count).float()


def _hourly(task: Task) -> Task:
    """Round times to the hour, so that series of several rates below it share an embedding."""
    short = task.dated and Calendar(task.freq, task.tz, dated=True).step < _HOUR
    return replace(task, freq="h") if short else task
