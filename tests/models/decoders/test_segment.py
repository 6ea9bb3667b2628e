import torch
from torch import Tensor, nn

from tslm.core.types import Layout, Task, Tokens
from tslm.models.decoders.segment import SegmentDecoder


def decoder(**options: object) -> SegmentDecoder:
    return SegmentDecoder(width=5, layout=Layout(4, 3), task=Task(12, 24), **options).eval()


def decoded(head: SegmentDecoder, hidden: Tensor) -> Tensor:
    values: Tensor = head(hidden, Tokens(hidden, torch.ones(hidden.shape[:2]).bool()))
    return values


def test_each_token_gives_the_values_of_one_segment() -> None:
    head = decoder()
    hidden = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(0))
    values = decoded(head, hidden)
    assert values.shape == (2, 12)
    for token in range(4):
        alone = decoded(head, hidden[:, token : token + 1])
        torch.testing.assert_close(values[:, 3 * token : 3 * token + 3], alone)


def test_it_ends_one_segment_after_the_context_whatever_the_horizon() -> None:
    assert decoder().step == 3


def test_values_of_a_silent_token_are_not_covered() -> None:
    mask = torch.tensor([[False, True, False, True]])
    expected = [[False] * 3 + [True] * 3 + [False] * 3 + [True] * 3]
    assert decoder().covered(mask).tolist() == expected


def test_it_can_be_a_perceptron() -> None:
    head = decoder(layers=2, hidden=7, activation="relu")
    assert [type(part) for part in head.project] == [nn.Linear, nn.ReLU, nn.Dropout, nn.Linear]
    assert decoded(head, torch.zeros(1, 4, 5)).shape == (1, 12)
