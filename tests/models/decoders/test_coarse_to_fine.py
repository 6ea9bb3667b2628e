"""The coarse-to-fine decoder: means of blocks first, then details."""

import pytest
import torch

from tslm.core.errors import ConfigError
from tslm.core.types import Layout, Task, Tokens
from tslm.models.decoders.coarse_to_fine import CoarseToFineDecoder

P, D = 12, 8


def decoder(*blocks: int) -> CoarseToFineDecoder:
    torch.manual_seed(0)
    return CoarseToFineDecoder(width=D, layout=Layout(2, P), task=Task(24, P), blocks=blocks)


def tokens() -> Tokens:
    embeds = torch.randn(3, 2, D, generator=torch.Generator().manual_seed(1))
    return Tokens(embeds, torch.ones(3, 2, dtype=torch.bool))


def test_untrained_it_is_a_linear_segment_decoder() -> None:
    made, read = decoder(6, 2), tokens()
    expected = made.project(read.embeds).flatten(1)
    torch.testing.assert_close(made(read.embeds, read), expected)


def test_details_depend_on_means_and_leave_them_as_they_are() -> None:
    made, read = decoder(6, 2), tokens()
    before = made(read.embeds, read)
    for detail in made.details:
        torch.nn.init.normal_(detail[-1].weight)
    after = made(read.embeds, read)
    assert not torch.allclose(after, before, atol=1e-2)
    means = [values.unflatten(1, (-1, 6)).mean(2) for values in (before, after)]
    torch.testing.assert_close(means[1], means[0])


def test_blocks_that_do_not_divide_a_segment_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"decoder\.blocks=\[5\] must divide"):
        decoder(5)
