"""The flow decoder: it draws whole segments, and recovers what is known of their steps."""

import pytest
import torch
from torch import Tensor

from tests.networks import network
from tslm.core.errors import ConfigError
from tslm.core.types import Batch, Layout, Task, Tokens
from tslm.models.decoders.flow import FlowDecoder
from tslm.uncertainty.distributions.path import Paths
from tslm.uncertainty.distributions.quantile import QuantileFamily

WIDTH, STEPS = 4, 6


def decoder(**options: int) -> FlowDecoder:
    torch.manual_seed(0)
    layout, task = Layout(3, STEPS, grows=True), Task(3 * STEPS, STEPS)
    return FlowDecoder(width=WIDTH, layout=layout, task=task, **{"hidden": 48, **options})


def law(head: FlowDecoder, hidden: Tensor) -> Paths:
    found = head.distribution(hidden, Tokens(hidden, torch.ones(hidden.shape[:2]).bool()))
    assert isinstance(found, Paths)
    return found


def fitted(draw: object, hidden: Tensor, steps: int = 500) -> FlowDecoder:
    """Train a decoder on draws of segments; ``draw`` returns one for each hidden state."""
    head = decoder()
    adam = torch.optim.Adam(head.parameters(), lr=5e-3)
    for step in range(steps):
        for group in adam.param_groups:
            group["lr"] = 5e-3 * min(1.0, 3 * (1 - step / steps))
        adam.zero_grad()
        law(head, hidden).loss(draw()).mean().backward()  # type: ignore[operator]
        adam.step()
    return head.eval()


def uniform(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.slow
def test_a_normal_law_with_known_covariance_is_recovered() -> None:
    """Deviations differ from step to step, and neighbouring steps are correlated by -0.7."""
    apart = (torch.arange(STEPS) - torch.arange(STEPS)[:, None]).abs()
    size = torch.linspace(0.5, 1.5, STEPS)
    covariance = (-0.7) ** apart * size * size[:, None]
    root, mean = torch.linalg.cholesky(covariance), torch.linspace(-1, 1, STEPS)
    hidden = torch.ones(256, 1, WIDTH)
    head = fitted(lambda: mean + torch.randn(256, STEPS) @ root.T, hidden, 1500)
    drawn = law(head, hidden[:1]).draw(uniform(20_000, 1, STEPS))[:, 0]
    torch.testing.assert_close(drawn.mean(0), mean, atol=0.12, rtol=0)
    torch.testing.assert_close(drawn.T.cov(), covariance, atol=0.2, rtol=0)


def test_segments_that_go_up_or_down_as_a_whole_are_drawn_as_a_whole() -> None:
    """Each step alone is as often above as below; the steps of a draw agree."""
    hidden = torch.ones(128, 1, WIDTH)
    signs = torch.tensor([-1.0, 1.0]).repeat(64)[:, None]
    head = fitted(lambda: 2 * signs + 0.2 * torch.randn(128, STEPS), hidden)
    drawn = law(head, hidden[:1]).draw(uniform(400, 1, STEPS))[:, 0]
    agree = ((drawn > 0).all(1) | (drawn < 0).all(1)).float().mean()
    assert agree > 0.85
    assert 0.3 < (drawn > 0).float().mean() < 0.7
    levels = torch.tensor([0.1, 0.9], dtype=torch.float64)
    low, high = law(head, hidden[:1]).quantile(levels)[:, 0]
    assert (low < -1).all()
    assert (high > 1).all()


def test_before_training_draws_are_around_the_point_with_the_spread_of_the_window() -> None:
    head, hidden = decoder(), torch.randn(1, 1, WIDTH)
    found = law(head, hidden)
    drawn = found.draw(uniform(5000, 1, STEPS))
    torch.testing.assert_close(drawn.mean(0), found.point, atol=0.06, rtol=0)
    torch.testing.assert_close(drawn.std(0), torch.ones(1, STEPS), atol=0.06, rtol=0)


def test_a_draw_depends_on_its_own_segment_and_numbers_only() -> None:
    head, hidden, numbers = changed(), torch.randn(5, 3, WIDTH), uniform(7, 5, 3 * STEPS)
    together = law(head, hidden).draw(numbers)
    for row in range(5):
        alone = law(head, hidden[row : row + 1]).draw(numbers[:, row : row + 1])
        torch.testing.assert_close(alone, together[:, row : row + 1], rtol=1e-4, atol=1e-5)
    other = numbers.clone()
    other[..., :STEPS] = 0.5
    moved = law(head, hidden).draw(other)
    assert not torch.allclose(moved[..., :STEPS], together[..., :STEPS])
    torch.testing.assert_close(moved[..., STEPS:], together[..., STEPS:], rtol=1e-4, atol=1e-5)


def changed() -> FlowDecoder:
    """Return a decoder whose flow is not the identity."""
    head = decoder()
    with torch.no_grad():
        for weight in head.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return head.eval()


def test_quantiles_are_in_order_and_those_of_draws() -> None:
    found = law(changed(), torch.randn(2, 1, WIDTH))
    levels = torch.tensor([0.01, 0.1, 0.5, 0.9, 0.99], dtype=torch.float64)
    values = found.quantile(levels)
    assert (values.diff(dim=0) > 0).all()
    drawn = found.draw(uniform(20_000, 2, STEPS)).double()
    below = (drawn[:, None] < values).double().mean(0)  # of the draws, at each level
    torch.testing.assert_close(below, levels[:, None, None].expand_as(below), atol=0.12, rtol=0)


def test_a_change_of_units_moves_quantiles_draws_and_point() -> None:
    found = law(changed(), torch.randn(2, 1, WIDTH))
    factor, shift = torch.full((2, STEPS), 3.0), torch.full((2, STEPS), -5.0)
    moved, numbers = found.moved(factor, shift), uniform(4, 2, STEPS)
    torch.testing.assert_close(moved.draw(numbers), 3 * found.draw(numbers) - 5)
    torch.testing.assert_close(moved.point, 3 * found.point - 5)
    levels = torch.tensor([0.2, 0.8], dtype=torch.float64)
    torch.testing.assert_close(moved.quantile(levels), 3 * found.quantile(levels) - 5)


def test_quantiles_of_some_steps_are_those_of_all_steps() -> None:
    found = law(changed(), torch.randn(2, 3, WIDTH))
    levels = torch.tensor([0.2, 0.8], dtype=torch.float64)
    some = found.each(lambda part: part[:, -STEPS : -STEPS + 2])
    torch.testing.assert_close(
        some.quantile(levels), found.quantile(levels)[..., -STEPS : -STEPS + 2]
    )


def test_only_segments_are_decoded() -> None:
    with pytest.raises(ConfigError, match=r"decoder=flow needs tokens that are segments"):
        FlowDecoder(width=WIDTH, layout=Layout(3, STEPS), task=Task(18, 6))


def test_it_has_no_other_distribution() -> None:
    layout = Layout(3, STEPS, grows=True)
    with pytest.raises(ConfigError, match="Leave out distribution"):
        FlowDecoder(width=WIDTH, layout=layout, task=Task(18, 6), family=QuantileFamily())


def test_missing_values_do_not_count_in_its_loss() -> None:
    model = network({"adapter": "autotimes", "decoder": "flow", "base": None}, rows=200, h=STEPS)
    dice = torch.Generator().manual_seed(0)
    length = model.n_tokens * STEPS
    past, future = torch.randn(3, length, 1, generator=dice), torch.randn(3, STEPS, 1)
    time = torch.arange(length + STEPS).expand(3, -1) * 3600
    future[0, ::2], past[1, : STEPS + 2] = torch.nan, torch.nan
    batch = Batch(past, future, time)
    prediction = model(past, time[:, :length])
    truth = torch.cat([past, future], 1)[:, -prediction.values.shape[1] :]
    counted = prediction.covered & ~torch.isnan(truth)
    assert isinstance(prediction.distribution, Paths)
    expected = prediction.distribution.loss(truth)[counted].mean()
    torch.testing.assert_close(model.loss(batch), expected)
    model.loss(batch).backward()
    for name, weight in model.decoder.named_parameters():
        assert weight.grad is None or torch.isfinite(weight.grad).all(), name
