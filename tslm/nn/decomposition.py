"""Split series into a slow and a fast part."""

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool1d, pad


def moving_average(values: Float[Tensor, "S L"], width: int) -> Float[Tensor, "S L"]:
    """Centred mean of ``width`` steps; the ends are continued by their own value.

    Of an even width one step more lies before the middle than after it.
    """
    padded = pad(values[:, None], (width // 2, (width - 1) // 2), mode="replicate")
    return avg_pool1d(padded, width, stride=1)[:, 0]
