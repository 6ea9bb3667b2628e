"""iTransformer: against arrays recorded from the published program, and its own promises."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from tslm.core.config.choices import choices
from tslm.core.config.compose import compose
from tslm.core.errors import ConfigError
from tslm.core.types import Batch, Task
from tslm.models.baselines.itransformer import ITransformer

PARITY = Path(__file__).parents[2] / "parity"
CASES = ["marks_norm", "marks_raw", "plain_norm", "plain_raw"]


def network(
    context: int = 24, horizon: int = 8, seed: int = 0, dated: bool = True, **options: Any
) -> ITransformer:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        small = {"width": 16, "heads": 4, "floor": 0.0, **options}
        task = Task(context, horizon, freq="h", dated=dated)
        return ITransformer(task=task, **small).eval()


def walks(channels: int = 3, windows: int = 2, context: int = 24, seed: int = 0) -> Batch:
    dice = torch.Generator().manual_seed(seed)
    series = torch.randn(windows, context + 8, channels, generator=dice).cumsum(1)
    time = 3600 * torch.arange(400_000, 400_000 + context + 8).repeat(windows, 1)
    return Batch(series[:, :context], series[:, context:], time)


class Case:
    def __init__(self, name: str) -> None:
        with np.load(PARITY / f"itransformer_{name}.npz", allow_pickle=False) as stored:
            self.config = json.loads(str(stored["config"]))
            self.arrays = {k: torch.from_numpy(stored[k]) for k in stored.files if k != "config"}

    def network(self) -> ITransformer:
        settings = self.config["model_config"]
        model = network(
            self.config["lookback"],
            self.config["horizon"],
            width=settings["d_model"],
            heads=settings["n_heads"],
            hidden=settings["d_ff"],
            layers=settings["e_layers"],
            use_norm=settings["use_norm"],
            marks="shared" if self.config["time_features"] else "none",
            dropout=0.0,
        )
        model.load_state_dict(self.ours("adapter/"), strict=True)
        return model

    def ours(self, prefix: str) -> dict[str, Tensor]:
        """Official weights under our names; query, key and value maps are one."""
        theirs = {
            name.removeprefix(prefix): value
            for name, value in self.arrays.items()
            if name.startswith(prefix)
        }
        found = {}
        for kind in ("weight", "bias"):
            found[f"embed.{kind}"] = theirs[f"enc_embedding.value_embedding.{kind}"]
            found[f"project.{kind}"] = theirs[f"projector.{kind}"]
            found[f"encoder.norm.{kind}"] = theirs[f"encoder.norm.{kind}"]
            for layer in range(self.config["model_config"]["e_layers"]):
                here, there = f"encoder.layers.{layer}", f"encoder.attn_layers.{layer}"
                attention = f"{there}.attention"
                maps = [
                    theirs[f"{attention}.{q}_projection.{kind}"] for q in ["query", "key", "value"]
                ]
                found[f"{here}.self_attn.in_proj_{kind}"] = torch.cat(maps)
                found[f"{here}.self_attn.out_proj.{kind}"] = theirs[
                    f"{attention}.out_projection.{kind}"
                ]
                for ours, official in (("linear1", "conv1"), ("linear2", "conv2")):
                    value = theirs[f"{there}.{official}.{kind}"]
                    found[f"{here}.{ours}.{kind}"] = value.squeeze(-1) if value.ndim == 3 else value
                for norm in ("norm1", "norm2"):
                    found[f"{here}.{norm}.{kind}"] = theirs[f"{there}.{norm}.{kind}"]
        return found


def same(actual: Tensor, expected: Tensor) -> None:
    """|a - b| <= 1e-5 max(1, |b|)."""
    assert actual.shape == expected.shape
    error = (actual.detach() - expected).abs() / expected.abs().clamp(min=1)
    assert float(error.max()) <= 1e-5


@pytest.mark.parametrize("name", CASES)
def test_forecast_loss_and_gradients_equal_the_published_program(name: str) -> None:
    case = Case(name)
    model, arrays = case.network(), case.arrays
    x, y, marks = arrays["input/x"], arrays["input/y"], arrays.get("input/x_mark")
    layers: list[Tensor] = []
    for layer in model.encoder.layers:
        layer.register_forward_hook(lambda _m, _a, out: layers.append(out))
    ahead = model.read(x, marks)
    same(ahead, arrays["output/forecast"])
    for number, out in enumerate(layers):
        same(out, arrays[f"output/layer{number}"])
    loss = (ahead - y).square().mean()
    same(loss, arrays["output/loss"])
    loss.backward()
    weights = dict(model.named_parameters())
    expected = case.ours("grad/")
    assert weights.keys() == expected.keys()
    for weight, gradient in expected.items():
        same(weights[weight].grad, gradient)


def test_a_block_is_post_norm_with_the_published_attention() -> None:
    case = Case("plain_norm")
    model = case.network()
    tokens = case.arrays["output/embedding"]
    read, attention = model.encoder.layers[0].self_attn(
        tokens, tokens, tokens, average_attn_weights=False
    )
    same(attention, case.arrays["output/attention0"])
    block = model.encoder.layers[0]
    hidden = block.norm1(tokens + read)
    same(
        block.norm2(hidden + block.linear2(nn.functional.gelu(block.linear1(hidden)))),
        case.arrays["output/layer0"],
    )


def test_permuting_channels_permutes_forecasts() -> None:
    model, batch, order = network(), walks(5), [3, 1, 4, 0, 2]
    ahead = model(batch.past, batch.time[:, :24]).values
    moved = model(batch.past[:, :, order], batch.time[:, :24]).values
    torch.testing.assert_close(moved, ahead[:, :, order], rtol=1e-5, atol=1e-5)


def test_any_number_of_channels_and_copies_change_nothing() -> None:
    model = network()
    for channels in (1, 7, 30):
        batch = walks(channels)
        ahead = model(batch.past, batch.time[:, :24]).values
        assert ahead.shape == (2, 8, channels)
        twice = model(batch.past.repeat(1, 1, 2), batch.time[:, :24]).values
        torch.testing.assert_close(twice[:, :, :channels], ahead, rtol=1e-4, atol=1e-4)


def test_channels_read_each_other() -> None:
    model, batch = network(), walks(3)
    ahead = model(batch.past, batch.time[:, :24]).values
    other = batch.past.clone()
    other[:, :, 2] = other[:, :, 2].flip(1)
    changed = model(other, batch.time[:, :24]).values
    assert float((changed[:, :, :2] - ahead[:, :, :2]).detach().abs().max()) > 1e-3


@pytest.mark.parametrize("marks", ["none", "separate", "shared"])
def test_only_marks_read_the_time(marks: str) -> None:
    model, batch = network(marks=marks), walks(3)
    ahead = model(batch.past, batch.time[:, :24]).values
    later = model(batch.past, batch.time[:, :24] + 3600 * 7).values
    assert ahead.shape == later.shape == (2, 8, 3)
    assert torch.equal(ahead, later) == (marks == "none")


def test_units_are_those_of_the_series_and_a_constant_stays_near_itself() -> None:
    model, batch = network(), walks(3)
    ahead = model(batch.past, batch.time[:, :24]).values
    turned = model(7 * batch.past - 100, batch.time[:, :24]).values
    torch.testing.assert_close(turned, 7 * ahead - 100, rtol=1e-3, atol=1e-2)
    flat = network(floor=0.1)(torch.full_like(batch.past, 5.0), batch.time[:, :24]).values
    assert float((flat - 5).detach().abs().max()) < 1


def test_a_channel_without_a_value_is_not_read_by_the_others() -> None:
    model, batch = network(), walks(4)
    past = batch.past.clone()
    past[:, :, 2] = torch.nan
    past[1, :5, 0] = torch.nan
    ahead = model(past, batch.time[:, :24]).values
    assert torch.isfinite(ahead).all()
    others = [0, 1, 3]
    alone = model(past[:, :, others], batch.time[:, :24]).values
    torch.testing.assert_close(ahead[:, :, others], alone, rtol=1e-5, atol=1e-5)
    nothing = model(torch.full_like(past, torch.nan), batch.time[:, :24]).values
    assert torch.isfinite(nothing).all()


def test_a_step_on_some_channels_trains_on_those_alone() -> None:
    batch = walks(6)
    model = network(channels_per_batch=2, layers=1)
    past = batch.past.clone().requires_grad_()
    torch.manual_seed(1)
    model.loss(batch._replace(past=past)).backward()
    touched = (past.grad.abs().sum((0, 1)) > 0).sum()
    assert int(touched) == 2
    assert model.forecast(batch, 8).shape == (2, 8, 6)


def test_it_overfits_one_batch() -> None:
    batch = walks(3, windows=4)
    model = network(width=64, dropout=0.0).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 400)  # no jump at the last step
    for _ in range(400):
        optimizer.zero_grad()
        loss = model.loss(batch)
        loss.backward()
        optimizer.step()
        rate.step()
    assert loss.item() < 1e-3


def test_it_learns_how_one_channel_depends_on_another() -> None:
    """The second channel repeats the first one ten steps later; alone it is a random walk."""
    dice = torch.Generator().manual_seed(0)
    steps = torch.randn(4000, generator=dice)
    pair = torch.stack([steps[10:], steps[:-10]], 1)
    windows = pair.unfold(0, 32, 1).transpose(1, 2)
    train, test = windows[:3000], windows[3100:]
    errors = {}
    for name in ("together", "alone"):
        model = network(width=64, layers=2, dropout=0.0).train()
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        for step in range(300):
            chosen = torch.randint(len(train), (64,), generator=torch.Generator().manual_seed(step))
            part = train[chosen] if name == "together" else train[chosen][:, :, 1:]
            optimizer.zero_grad()
            model.loss(Batch(part[:, :24], part[:, 24:], torch.zeros(64, 32).long())).backward()
            optimizer.step()
        part = test if name == "together" else test[:, :, 1:]
        ahead = model.eval().forecast(Batch.of(part[:, :24], torch.zeros(len(part), 32).long()), 8)
        errors[name] = float((ahead - part[:, 24:])[:, :, -1].square().mean())
    assert errors["together"] < 0.7 * errors["alone"]


@pytest.mark.parametrize(
    ("width", "layers", "expected"),
    [(512, 3, 4_833_888), (128, 2, 224_224)],  # ECL and ETT, 96 -> 96
)
def test_weights_are_as_many_as_counted(width: int, layers: int, expected: int) -> None:
    model = network(96, 96, width=width, layers=layers, heads=8)
    d, e, n = width, layers, 96
    formula = n * d + d + e * (4 * d * d + 2 * d * d + 9 * d + d) + 2 * d + d * n + n
    assert sum(w.numel() for w in model.parameters()) == formula == expected


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="marks='both' is unknown"):
        network(marks="both")
    with pytest.raises(ConfigError, match="marks=shared needs dates"):
        network(marks="shared", dated=False)
    with pytest.raises(ConfigError, match="width=18 must be a multiple of heads=4"):
        network(width=18)


def test_one_channel_alone_is_warned_about() -> None:
    with pytest.warns(UserWarning, match="the data have only one"):
        network().learn([walks(1)], [])


PRESETS = {
    "etth1": (256, 2, 1e-4, 32),
    "ett": (128, 2, 1e-4, 32),
    "exchange": (128, 2, 1e-4, 32),
    "weather": (512, 3, 1e-4, 32),
    "ecl": (512, 3, 5e-4, 16),
    "traffic": (512, 4, 1e-3, 16),
}


@pytest.mark.parametrize("name", PRESETS)
def test_presets_have_the_published_sizes(name: str) -> None:
    cfg = compose("verb/benchmark", [f"experiment=itransformer_{name}"])
    model = cfg.model
    found = (model.width, model.layers, cfg.learning_rate, cfg.batch_size)
    assert found == PRESETS[name]
    assert (cfg.context_length, cfg.max_epochs, cfg.early_stopping_patience) == (96, 10, 3)
    assert (model.heads, model.hidden, model.dropout, model.marks) == (8, None, 0.1, "shared")
    assert (cfg.choices.model, cfg.choices.trainer) == ("itransformer", "halving")
    assert set(PRESETS) == {
        choice.removeprefix("itransformer_")
        for choice in choices("experiment")
        if choice.startswith("itransformer_")
    }


def test_time_features_are_those_of_the_published_loader() -> None:
    from tslm.core.calendar import Calendar

    stamps = pd.date_range("2016-07-01 05:00", periods=3, freq="h")
    found = Calendar("h").features(stamps.to_numpy().astype("datetime64[s]").astype(np.int64))
    expected = [[h / 23 - 0.5, 4 / 6 - 0.5, -0.5, 182 / 365 - 0.5] for h in (5, 6, 7)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert Calendar("15min").features(np.array([60 * 45])).shape == (1, 5)
