"""Embeddings of LiPCoT's codes: from their spectra, as a table, as words, or as text."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import one_hot

from tslm.models.layers.lpc.codebook import SPECIAL, Codebook, Codes
from tslm.models.layers.lpc.framing import Frames
from tslm.models.layers.lpc.spaces import cepstrum
from tslm.models.lexicon import Lexicon

QUIET = 1e-8  # power below which a residual is rounding, in units of the window; by hand
_RESERVED = ("padding", "hidden", "flat", "missing")  # text of the reserved codes


class CodeEmbedding(nn.Module):
    """Embedding of codes as vectors whose size is that of word embeddings.

    Args:
        lexicon: word embeddings and tokenizer of the backbone.
        frame_book: codebook of frames.
        book: codebook of whole contexts.
        codes: ``permuted`` gives each code the vector of another.

    Attributes:
        calendar: True if the time of a frame may be added to its vector.
        n_tokens: vectors of a code, n.
    """

    calendar = True
    n_tokens = 1

    def __init__(self, lexicon: Lexicon, frame_book: Codebook, book: Codebook, codes: str) -> None:
        super().__init__()
        self.size = float(lexicon.words.float().square().mean(1).sqrt().mean())
        self.n_codes = len(book.filters)
        self.gain_codes, self.level_codes = len(book.gains.values), len(book.levels.values)
        dice = torch.Generator().manual_seed(0)
        order = torch.arange(self.n_codes)
        if codes == "permuted":
            order = torch.randperm(self.n_codes, generator=dice)
        self.names: Int[Tensor, " shapes"]
        names = torch.cat([torch.arange(SPECIAL), SPECIAL + order])
        self.register_buffer("names", names, persistent=False)
        self.make(lexicon, frame_book, book)

    def make(self, lexicon: Lexicon, frame_book: Codebook, book: Codebook) -> None:
        """Create the weights and buffers."""
        raise NotImplementedError

    def attended(self, codes: Codes, *, whole: bool) -> Bool[Tensor, "frames n"]:
        """Return True for each vector that is not padding."""
        return torch.ones_like(codes.shape, dtype=torch.bool)[:, None]

    def sized(self, vectors: Float[Tensor, "S N D"]) -> Float[Tensor, "S N D"]:
        """Scale vectors to the mean root mean square of word embeddings."""
        rms = vectors.square().mean(2, keepdim=True).add(1e-12).sqrt()
        return self.size * vectors / rms


class LatentEmbedding(CodeEmbedding):
    """Linear map of the cepstrum of a code, of its gain and level, and of both as numbers."""

    def make(self, lexicon: Lexicon, frame_book: Codebook, book: Codebook) -> None:
        self.books = (frame_book, book)  # in a tuple, so that they are not saved twice
        self.n_cepstra = 2 * book.filters.shape[1]
        width = self.n_cepstra + SPECIAL + self.gain_codes + self.level_codes + 3
        self.map = nn.Linear(width, lexicon.width)

    def forward(self, codes: Codes, frames: Frames, *, whole: bool) -> Float[Tensor, "frames n D"]:
        filters = self.books[whole].filters
        shapes = torch.block_diag(
            torch.eye(SPECIAL).to(filters), 2**0.5 * cepstrum(filters, self.n_cepstra)
        )
        numbers = [
            torch.nan_to_num(frames.level).clamp(-10, 10),
            frames.model.power.clamp(min=QUIET).log() / 4,
            torch.full_like(frames.level, float(whole)),
        ]
        parts = [
            shapes[self.names[codes.shape].to(shapes.device)],
            one_hot(codes.gain, self.gain_codes).to(shapes.device),
            one_hot(codes.level, self.level_codes).to(shapes.device),
            torch.stack(numbers, 1),
        ]
        return self.map(torch.cat(parts, 1).to(self.map.weight))[:, None]


class TableEmbedding(CodeEmbedding):
    """Sum of a learnt vector for each code, gain and level; frames and contexts have their own."""

    def make(self, lexicon: Lexicon, frame_book: Codebook, book: Codebook) -> None:
        self.sizes = (SPECIAL + self.n_codes, self.gain_codes, self.level_codes)
        self.table = nn.Parameter(torch.randn(2 * sum(self.sizes), lexicon.width))

    def forward(self, codes: Codes, frames: Frames, *, whole: bool) -> Float[Tensor, "frames n D"]:
        shapes, gains, levels = self.table[whole * sum(self.sizes) :].split(
            [*self.sizes, len(self.table) - (1 + whole) * sum(self.sizes)]
        )[:3]
        sums = shapes[self.names[codes.shape]] + gains[codes.gain] + levels[codes.level]
        return sums[:, None]


class WordEmbedding(CodeEmbedding):
    """Sum of a randomly chosen word embedding for each code, gain and level, not trained."""

    calendar = False

    def make(self, lexicon: Lexicon, frame_book: Codebook, book: Codebook) -> None:
        self.sizes = (SPECIAL + self.n_codes, self.gain_codes, self.level_codes)
        dice = torch.Generator().manual_seed(0)
        count, words = 2 * sum(self.sizes), len(lexicon.words)
        drawn = torch.randperm(words, generator=dice)[torch.arange(count) % words]
        self.table: Float[Tensor, "words D"]
        self.register_buffer("table", lexicon.embed(drawn).float(), persistent=False)

    forward = TableEmbedding.forward


class TextEmbedding(CodeEmbedding):
    """Text of a code, such as ``12 3 7,``, in tokens of the language model, not trained.

    The numbers are shape, gain and level; the text of the whole context ends with a full stop.
    Shorter texts are padded on the left.
    """

    calendar = False

    def make(self, lexicon: Lexicon, frame_book: Codebook, book: Codebook) -> None:
        names = [*_RESERVED, *(str(code) for code in range(self.n_codes))]
        texts = [
            f" {name} {gain} {level}{end}"
            for end in ",."
            for name in names
            for gain in range(self.gain_codes)
            for level in range(self.level_codes)
        ]
        ids = lexicon.tokenizer(texts, add_special_tokens=False)["input_ids"]
        self.n_tokens = max(map(len, ids))
        rows = [[-1] * (self.n_tokens - len(row)) + row for row in ids]
        used, places = torch.tensor(rows).unique(return_inverse=True)
        self.places: Int[Tensor, "ends shapes gains levels n"]
        places = places.reshape(2, len(names), self.gain_codes, self.level_codes, -1)
        self.register_buffer("places", places, persistent=False)
        self.real: Bool[Tensor, " words"]
        self.register_buffer("real", used >= 0, persistent=False)
        self.table: Float[Tensor, "words D"]
        table = lexicon.embed(used.clamp(min=0)).float()
        self.register_buffer("table", table, persistent=False)

    def forward(self, codes: Codes, frames: Frames, *, whole: bool) -> Float[Tensor, "frames n D"]:
        return self.table[self._places(codes, whole)]

    def attended(self, codes: Codes, *, whole: bool) -> Bool[Tensor, "frames n"]:
        return self.real[self._places(codes, whole)]

    def _places(self, codes: Codes, whole: bool) -> Int[Tensor, "frames n"]:
        return self.places[int(whole), self.names[codes.shape], codes.gain, codes.level]

    def sized(self, vectors: Float[Tensor, "S N D"]) -> Float[Tensor, "S N D"]:
        """Return the vectors unchanged: they are word embeddings."""
        return vectors


EMBEDDINGS: dict[str, type[CodeEmbedding]] = {
    "latent": LatentEmbedding,
    "table": TableEmbedding,
    "words": WordEmbedding,
    "text": TextEmbedding,
}
