"""AutoTimes against arrays recorded from the published program."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.models.adapters.recorded import Case, same
from tests.rollouts import rollout as rollout_named
from tslm.core.calendar import Calendar
from tslm.core.config.build import build
from tslm.core.config.compose import compose
from tslm.core.config.validation import checked
from tslm.core.types import Batch, Context, Facts, Task
from tslm.models.adapters.autotimes import AutoTimes
from tslm.models.adapters.timestamps import Timestamps
from tslm.models.assembly import assemble, settle, task_of
from tslm.models.decoders.segment import SegmentDecoder
from tslm.models.forecast_model import ForecastModel
from tslm.models.layers.patching import patch
from tslm.models.rollouts.sliding import SlidingRollout

OFFICIAL = "This is Time Series from {start} to {end}"
ONE_PASS = ["autotimes_llama_linear", "autotimes_llama_linear_mix", "autotimes_gpt2_mlp2_tanh"]
ROLLOUT = ["autotimes_gpt2_rollout", "autotimes_llama_rollout_mix"]
APART = 100_000  # time between two windows, so that each row of each window has its own time


class Marks(nn.Module):
    """Recorded timestamp embeddings, looked up by the time a segment starts at."""

    def __init__(self, marks: Tensor, patch_len: int) -> None:
        super().__init__()
        self.marks, self.patch_len = marks, patch_len

    def prepare(self, time: Tensor) -> None:
        """Read nothing: all embeddings are recorded."""

    def forward(self, time: Tensor) -> Tensor:
        window, row = time // APART, time % APART
        assert (row % self.patch_len == 0).all()
        return self.marks[window, row // self.patch_len]


def model_of(case: Case) -> ForecastModel:
    settings, body = case.config["adapter_config"], case.body()
    size, mixes = settings["token_len"], settings["mix_embeds"]
    shape = {
        "layers": max(settings["mlp_hidden_layers"], 1),
        "hidden": settings["mlp_hidden_dim"],
        "activation": settings["mlp_activation"],
        "dropout": settings["dropout"],
    }
    task = Task(case.config["lookback"], size, freq="h", dated=True)
    adapter = AutoTimes(
        lexicon=body.lexicon,
        task=task,
        patch_len=size,
        timestamps="text" if mixes else "none",
        norm="window",
        floor=0.0,
        **shape,
    )
    decoder = SegmentDecoder(width=body.width, layout=adapter.layout, task=task, **shape)
    if mixes:
        marks = [
            case.tensor(f"input/{name}")
            for name in ("x_mark", "y_mark")
            if f"input/{name}" in case.arrays
        ]
        adapter.timestamps = Marks(torch.cat(marks, 1), size)
    rolled = rollout_named("sliding", body, adapter)
    model = ForecastModel(adapter=adapter, backbone=body, decoder=decoder, rollout=rolled)
    weights = dict(model.named_parameters())
    theirs = case.below("adapter/")
    trainable = {name for name, weight in weights.items() if weight.requires_grad}
    assert {ours(name) for name in theirs} == trainable
    with torch.no_grad():
        for name, value in theirs.items():
            weights[ours(name)].copy_(value)
    return model.eval()


def ours(name: str) -> str:
    """Our name of an official weight."""
    if name == "add_scale":
        return "adapter.mix"
    part, *layer, kind = name.split(".")
    home = {"encoder": "adapter.embed", "decoder": "decoder.project"}[part]
    return f"{home}.{layer[-1] if layer else 0}.{kind}"


def batch_of(case: Case, horizon: int) -> Batch:
    past, size = case.tensor("input/x"), case.config["adapter_config"]["token_len"]
    steps = torch.arange(past.shape[1] + horizon)
    time = APART * torch.arange(len(past))[:, None] + steps
    return Batch(past, case.tensor("input/y")[:, -size:], time)


@pytest.mark.parametrize("name", ONE_PASS)
def test_one_pass_equals_the_published_program_at_every_stage(name: str) -> None:
    case = Case(name)
    model, batch = model_of(case), batch_of(case, horizon=0)
    size = case.config["adapter_config"]["token_len"]
    context = Context.fold(model.adapter.scale(batch.past).apply(batch.past), batch.time)
    segments = patch(context.values, size)
    tokens = model.adapter(context)
    hidden = model.backbone(tokens)
    same(segments, case.tensor("output/segments"))
    same(model.adapter.embed(segments), case.tensor("output/segment_embedding"))
    same(tokens.embeds, case.tensor("output/llm_tokens"))
    same(hidden, case.tensor("output/llm_hidden"))
    same(patch(model.decoder(hidden, tokens), size), case.tensor("output/projection"))
    same(model(batch.past, batch.time).values, case.tensor("output/forecast"))


@pytest.mark.parametrize("name", ONE_PASS)
def test_the_loss_and_its_gradients_equal_the_published_ones(name: str) -> None:
    case = Case(name)
    model, batch = model_of(case), batch_of(case, horizon=0)
    size = case.config["adapter_config"]["token_len"]
    torch.testing.assert_close(case.tensor("input/y")[:, :-size], batch.past[:, size:])
    loss = model.loss(batch)
    loss.backward()
    same(loss, case.tensor("output/loss"))
    weights, gradients = dict(model.named_parameters()), case.below("grad/")
    assert {ours(name) for name in gradients} == {n for n, w in weights.items() if w.requires_grad}
    for name, gradient in gradients.items():
        assert weights[ours(name)].grad is not None
        same(weights[ours(name)].grad, gradient)


@pytest.mark.parametrize("name", ROLLOUT)
def test_rolling_out_equals_the_published_program_step_by_step(name: str) -> None:
    case = Case(name)
    horizon, size = case.config["horizon"], case.config["adapter_config"]["token_len"]
    assert horizon % size, "the surplus of the last step is to be cut"
    model, batch = model_of(case), batch_of(case, horizon)
    tokens, hidden, values = [], [], []
    model.adapter.register_forward_hook(lambda _m, _a, out: tokens.append(out.embeds))
    model.backbone.register_forward_hook(lambda _m, _a, out: hidden.append(out))
    model.decoder.register_forward_hook(lambda _m, _a, out: values.append(patch(out, size)))
    same(model.forecast(batch, horizon), case.tensor("output/forecast"))
    assert len(tokens) == -(-horizon // size) == 3
    for step in range(3):
        same(tokens[step], case.tensor(f"output/step{step}/llm_tokens"))
        same(hidden[step], case.tensor(f"output/step{step}/llm_hidden"))
        same(values[step], case.tensor(f"output/step{step}/projection")[:, -1:])


def test_timestamps_equal_the_published_program() -> None:
    case = Case("autotimes_timestamp")
    lexicon = case.body().lexicon
    task = Task(672, 96, freq="h", dated=True)
    timestamps = Timestamps(lexicon, task, case.config["token_len"], OFFICIAL, "last_text")
    starts = case.arrays["input/start"].astype("datetime64[s]").astype(np.int64)
    pairs = zip(*Calendar("h").spans(starts, 96), strict=True)
    sentences = [OFFICIAL.format(start=start, end=end) for start, end in pairs]
    assert sentences == case.arrays["input/sentence"].tolist()
    ids = case.arrays["input/token_ids"].tolist()
    assert lexicon.tokenize(sentences) == ids
    embedding = case.tensor("output/embedding")
    same(lexicon.read_ids(ids), embedding)
    read = timestamps.read(torch.from_numpy(starts))  # the same, in half precision
    torch.testing.assert_close(read.float(), embedding, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("primary", ["config", "verb/fit", "verb/benchmark"])
def test_the_published_settings_are_one_experiment(primary: str) -> None:
    cfg = compose(primary, ["experiment=autotimes_ett_paper"])
    cfg.backbone = "tiny"
    cfg = settle(checked(cfg), Facts(cfg.h, 24, 8640))
    model = assemble(cfg, task_of(cfg, 24, Calendar("h")))
    adapter, decoder = model.adapter, model.decoder
    assert isinstance(adapter, AutoTimes)
    assert isinstance(decoder, SegmentDecoder)
    assert (cfg.context_length, cfg.h, adapter.layout.patch_len) == (672, 96, 96)
    assert (adapter.norm, adapter.floor) == ("window", 0.0)
    assert isinstance(model.rollout, SlidingRollout)
    assert [type(part) for part in (*adapter.embed, *decoder.project)] == [nn.Linear, nn.Linear]
    assert adapter.timestamps is not None
    assert adapter.timestamps.template == OFFICIAL
    assert adapter.timestamps.pool == "last_text"
    assert adapter.mix.item() == 1.0
    assert (cfg.batch_size, cfg.max_epochs, cfg.early_stopping_patience) == (256, 10, 3)
    assert cfg.random_state == 2021
    recipe = build(cfg.trainer, learning_rate=cfg.learning_rate, steps=10)
    assert (recipe.schedule, recipe.learning_rate, recipe.clip) == ("cosine", 5e-4, None)
    assert (recipe.weight_decay, recipe.warmup, recipe.looks) == (0.0, 0.0, 10)


def test_the_command_line_wins_over_the_published_settings() -> None:
    cfg = compose("config", ["experiment=autotimes_ett_paper", "adapter.norm=prefix", "h=24"])
    assert (cfg.adapter.norm, cfg.h, cfg.choices.trainer) == ("prefix", 24, "cosine")
