"""Time-LLM against arrays recorded from the published program."""

import numpy as np
import pytest
import torch

from tests.models.adapters.recorded import Case, codes, same
from tests.rollouts import rollout as rollout_named
from tslm.core.calendar import Calendar
from tslm.core.config.build import build
from tslm.core.config.compose import compose
from tslm.core.config.validation import checked
from tslm.core.types import Batch, Context, Facts, Prompt, Task
from tslm.models.adapters.text_statistics import circular_correlation, summary
from tslm.models.adapters.time_llm import TimeLLM
from tslm.models.assembly import assemble, settle, task_of
from tslm.models.backbones.base import Backbone
from tslm.models.decoders.flatten import FlattenDecoder
from tslm.models.forecast_model import ForecastModel
from tslm.models.layers.prototypes import VocabularyPrototypes

CASES = ["time_llm_gpt2", "time_llm_gpt2_padded", "time_llm_llama"]


def model_of(case: Case) -> ForecastModel:
    settings, body = case.config["adapter_config"], case.body()
    task = Task(
        case.config["lookback"], case.config["horizon"], description=settings["description"]
    )
    adapter = TimeLLM(
        lexicon=body.lexicon,
        task=task,
        patch_len=settings["patch_len"],
        stride=settings["stride"],
        patch_width=settings["d_model"],
        heads=settings["n_heads"],
        head_width=settings["d_ff"],
        prototypes="vocabulary",
        n_prototypes=settings["num_prototypes"],
        style="published",
        dropout=0.0,
        floor=0.0,
    )
    decoder = FlattenDecoder(
        width=body.width, layout=adapter.layout, task=task, keep=settings["d_ff"]
    )
    rolled = rollout_named("sliding", body, adapter)
    model = ForecastModel(adapter=adapter, backbone=body, decoder=decoder, rollout=rolled)
    weights = dict(model.named_parameters())
    theirs = case.below("adapter/")
    trained = {name for name, weight in weights.items() if weight.requires_grad}
    assert {ours(name) for name in theirs} == trained
    with torch.no_grad():
        for name, value in theirs.items():
            weights[ours(name)].copy_(value)
    return model.eval()


def ours(name: str) -> str:
    """Our name of an official weight."""
    part, *_, kind = name.split(".")
    if part == "patch_embedding":
        return "adapter.embed.weight"
    if part == "mapping_layer":
        return f"adapter.reprogram.prototypes.map.{kind}"
    if part == "output_projection":
        return f"decoder.project.{kind}"
    place = name.split(".")[1].removesuffix("_projection")
    return f"adapter.reprogram.{place}.{kind}"


def recorded_prompt(case: Case) -> Prompt:
    """The words as recorded, padding and all: lags that tie may stand in another order."""
    ids = case.tensor("input/prompt_ids").long()
    return Prompt(torch.empty(0, dtype=torch.int64), ids, torch.ones_like(ids, dtype=torch.bool))


def batch_of(case: Case) -> Batch:
    past, future = case.tensor("input/x"), case.tensor("input/y")
    time = torch.arange(past.shape[1] + future.shape[1]).repeat(len(past), 1)
    return Batch(past, future, time)


@pytest.mark.parametrize("name", CASES)
def test_every_stage_equals_the_published_program(name: str) -> None:
    case = Case(name)
    model, batch = model_of(case), batch_of(case)
    adapter = model.adapter
    assert isinstance(adapter, TimeLLM)
    adapter.prompts = lambda *_: recorded_prompt(case)
    normal = adapter.scale(batch.past).apply(batch.past)
    context = Context.fold(normal, batch.time[:, : batch.past.shape[1]])
    same(context.values, case.tensor("output/normalised"))
    same(adapter.embed(adapter.patches(context.values)), case.tensor("output/patch_embedding"))
    same(adapter.reprogram.prototypes(), case.tensor("output/source_embeddings"))
    tokens = adapter(context)
    same(tokens.embeds, case.tensor("output/reprogrammed"))
    hidden = model.backbone(tokens)
    same(hidden, case.tensor("output/llm_hidden_patches"))
    head = model.decoder(hidden, tokens).unflatten(0, (len(batch.past), -1)).transpose(1, 2)
    same(head.transpose(1, 2), case.tensor("output/head_output"))
    same(
        model(batch.past, batch.time[:, : batch.past.shape[1]]).values,
        case.tensor("output/forecast"),
    )


@pytest.mark.parametrize("naive", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_the_loss_and_its_gradients_equal_the_published_ones(name: str, naive: bool) -> None:
    case = Case(name)
    model, batch = model_of(case), batch_of(case)
    model.adapter.prompts = lambda *_: recorded_prompt(case)
    if naive:
        body = model.backbone
        body.after_prompt = lambda tokens, prompt: Backbone.after_prompt(body, tokens, prompt)
    loss = model.loss(batch)
    loss.backward()
    same(loss, case.tensor("output/loss"))
    weights, gradients = dict(model.named_parameters()), case.below("grad/")
    assert {ours(name) for name in gradients} == {n for n, w in weights.items() if w.requires_grad}
    for official, gradient in gradients.items():
        assert weights[ours(official)].grad is not None
        same(weights[ours(official)].grad, gradient)


@pytest.mark.parametrize("name", CASES)
def test_the_text_is_the_published_one(name: str) -> None:
    case = Case(name)
    model, batch = model_of(case), batch_of(case)
    normal = model.adapter.scale(batch.past).apply(batch.past)
    context = Context.fold(normal, batch.time[:, : batch.past.shape[1]])
    facts = summary(context.values, context.observed, circular=True)
    for field, found in (("min", facts.least), ("max", facts.largest), ("median", facts.median)):
        same(found, case.tensor(f"output/stat_{field}"))
    lags = case.tensor("output/stat_lags")
    facts = facts._replace(lags=lags)  # ties in the recorded order
    wording = model.adapter.prompts.wording(facts)
    texts = [wording.shared + own[0] for own in wording.own]
    expected = case.arrays["input/prompt_text"].tolist()
    for text, official in zip(texts, expected, strict=True):
        assert text.split("min value")[0] == official.split("min value")[0]
        assert text.split("trend")[1] == official.split("trend")[1]
    prompt = model.adapter.prompts(context.values, context.observed)
    whole = [[*prompt.shared.tolist(), *own] for own in prompt.own.tolist()]
    lengths = case.arrays["input/prompt_lengths"].tolist()
    assert {len(ids) for ids in whole} == {max(lengths)}
    assert prompt.mask.all()
    if case.config["equal_prompts"]:
        head = codes(expected[0].split("min value")[0])
        assert all(ids[: len(head)] == head for ids in whole)


@pytest.mark.parametrize("kind", ["even", "odd"])
def test_statistics_equal_the_published_ones(kind: str) -> None:
    case = Case("time_llm_statistics")
    values = case.tensor(f"output/{kind}/normalised")
    observed = torch.ones_like(values, dtype=torch.bool)
    facts = summary(values, observed, circular=True)
    arrays = case.below(f"output/{kind}/")
    same(facts.least, arrays["min"].flatten())
    same(facts.largest, arrays["max"].flatten())
    same(facts.median, arrays["median"].flatten())
    same(facts.rise, arrays["trend"].flatten(), 1e-4)
    assert ((facts.rise > 0) == arrays["trend_is_up"].flatten().bool()).all()
    same(circular_correlation(values), arrays["correlation"], 1e-4)
    clear = arrays["lag_margin"].flatten() > 1e-4
    assert int(clear.sum()) > 3
    for row in torch.nonzero(clear).flatten().tolist():
        assert set(facts.lags[row].tolist()) == set(arrays["lags"][row].tolist())


def test_the_published_settings_are_one_experiment() -> None:
    cfg = compose("verb/benchmark", ["experiment=time_llm_ett_paper"])
    cfg.backbone = "tiny"
    cfg = settle(checked(cfg), Facts(cfg.h, 24, 8640))
    model = assemble(cfg, task_of(cfg, 24, Calendar("h")))
    adapter, decoder = model.adapter, model.decoder
    assert isinstance(adapter, TimeLLM)
    assert isinstance(decoder, FlattenDecoder)
    assert isinstance(adapter.reprogram.prototypes, VocabularyPrototypes)
    assert (cfg.context_length, cfg.h, cfg.batch_size) == (512, 96, 24)
    assert (adapter.layout.n_tokens, adapter.layout.patch_len, adapter.stride) == (64, 16, 8)
    assert adapter.reprogram.query.weight.shape == (8 * 128, 32)
    assert (cfg.decoder.keep, decoder.output_dropout.p, adapter.floor) == (128, 0.1, 0.0)
    assert adapter.prompts.style == "published"
    recipe = build(cfg.trainer, learning_rate=cfg.learning_rate, steps=100)
    adam, schedule = recipe.optimizer([torch.nn.Parameter(torch.zeros(1))])
    rates = []
    for _ in range(46):
        rates.append(adam.param_groups[0]["lr"])
        adam.step()
        schedule.step()
    rates = [rates[step] for step in (0, 15, 25, 35, 45)]
    np.testing.assert_allclose(rates, [4e-4, 4e-4, 2e-4, 1e-4, 5e-5])  # as they really were
    assert recipe.loss == "mse"
    assert adapter.reprogram.dropout == 0.1
