"""S2IP against arrays recorded from the published program."""

import pytest
import torch

from tests.models.adapters.recorded import Case, same
from tests.rollouts import rollout as rollout_named
from tslm.core.calendar import Calendar
from tslm.core.config.compose import compose
from tslm.core.config.validation import checked
from tslm.core.types import Batch, Context, Facts, Task
from tslm.models.adapters.s2ip import S2IP
from tslm.models.assembly import assemble, settle, task_of
from tslm.models.backbones.freezing import Norms
from tslm.models.decoders.components import FoldDecoder
from tslm.models.forecast_model import ForecastModel
from tslm.models.layers.decomposition import decompose
from tslm.models.layers.prototypes import VocabularyPrototypes
from tslm.models.layers.retrieval import query_of, retrieve, unit

CASES = ["s2ip_llm_gpt2", "s2ip_llm_gpt2_odd"]


def model_of(case: Case, align: float | None = None) -> ForecastModel:
    settings = case.config["adapter_config"]
    body = case.body(settings["gpt_layers"], Norms(positions=True))
    task = Task(case.config["lookback"], case.config["horizon"])
    adapter = S2IP(
        lexicon=body.lexicon,
        task=task,
        patch_len=settings["patch_size"],
        stride=settings["stride"],
        trend_length=settings["trend_length"],
        seasonal_length=settings["seasonal_length"],
        edge="flat",
        anchors="vocabulary",
        n_anchors=settings["pool_size"],
        n_retrieved=settings["prompt_length"],
        align=-case.config["sim_coef"] if align is None else align,
        align_sum=True,
        read_anchors=True,
        floor=0.0,
    )
    decoder = FoldDecoder(width=body.width, layout=adapter.layout, task=task)
    rolled = rollout_named("sliding", body, adapter)
    model = ForecastModel(adapter=adapter, backbone=body, decoder=decoder, rollout=rolled)
    weights = dict(model.named_parameters())
    with torch.no_grad():
        for name, value in case.below("adapter/").items():
            weights[ours(name)].copy_(value)
    return model.eval()


def ours(name: str) -> str:
    """Our name of an official weight."""
    kind = name.rpartition(".")[2]
    if name.startswith("gpt2."):
        return f"backbone.body.{name.removeprefix('gpt2.')}"
    place = name.split(".")[0]
    return {
        "in_layer": f"adapter.embed.{kind}",
        "out_layer": f"decoder.project.{kind}",
        "prompt_pool": f"adapter.anchors.map.{kind}",
    }[place]


def batch_of(case: Case) -> Batch:
    past, future = case.tensor("input/x"), case.tensor("input/y")
    time = torch.arange(past.shape[1] + future.shape[1]).repeat(len(past), 1)
    return Batch(past, future, time)


@pytest.mark.parametrize("name", CASES)
def test_every_stage_equals_the_published_program(name: str) -> None:
    case = Case(name)
    model, batch = model_of(case), batch_of(case)
    adapter = model.adapter
    assert isinstance(adapter, S2IP)
    time = batch.time[:, : batch.past.shape[1]]
    context = Context.fold(adapter.scale(batch.past).apply(batch.past), time)
    parts = decompose(context.values, adapter.trend_length, adapter.seasonal_length, "flat")
    same(torch.stack(parts, 1), case.tensor("output/decomposition").float())
    patches = adapter.patches(context.values, context.observed)
    same(patches, case.tensor("output/patches").float())
    same(adapter.embed(patches), case.tensor("output/tokens"))
    assert adapter.anchors is not None
    same(adapter.anchors(), case.tensor("output/anchors"))
    embeds = case.tensor("output/tokens")
    found = adapter.retrieved(embeds, torch.ones(embeds.shape[:2], dtype=torch.bool))
    assert torch.equal(found.chosen, case.tensor("output/index").long())
    same(found.similarity.sum(1).mean(), case.tensor("output/reduce_sim"))
    tokens = adapter(context)
    same(tokens.embeds, case.tensor("output/llm_tokens"))
    hidden = model.backbone(tokens)
    same(hidden, case.tensor("output/llm_hidden"))
    folded = case.tensor("output/head_output").unflatten(0, (-1, 3)).sum(1)
    same(model.decoder(hidden, tokens), folded)
    same(model(batch.past, time).values, case.tensor("output/forecast"))


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_the_loss_and_its_gradients_equal_the_published_ones(name: str, aligned: bool) -> None:
    case = Case(name)
    model, batch = model_of(case, None if aligned else 0.0), batch_of(case)
    loss = model.loss(batch)
    loss.backward()
    same(loss, case.tensor("output/loss" if aligned else "output/mse"))
    gradients = case.below("grad/" if aligned else "grad_mse/")
    weights = dict(model.named_parameters())
    assert {ours(n) for n in gradients} == {n for n, w in weights.items() if w.requires_grad}
    for official, gradient in gradients.items():
        assert weights[ours(official)].grad is not None
        same(weights[ours(official)].grad, gradient)


def test_decompositions_equal_the_published_ones() -> None:
    case = Case("s2ip_llm_decomposition")
    settings = case.config["settings"]
    for number, (_, trend, season) in enumerate(settings):
        values = case.tensor(f"output/normalised_{number}")
        parts = decompose(values.double(), trend, season, "flat")
        for part, name in zip(parts, ("trend", "seasonal", "residual"), strict=True):
            same(part, case.tensor(f"output/{name}_{number}"))
    assert number == 7


@pytest.mark.parametrize("query", ["mean", "max", "mean_max"])
@pytest.mark.parametrize("pool", ["text_prototype", "random"])
def test_retrieval_equals_the_published_one(pool: str, query: str) -> None:
    case = Case("s2ip_llm_retrieval")
    tokens, arrays = case.tensor("input/tokens"), case.below(f"output/{pool}/{query}/")
    anchors = case.tensor("input/random_pool")
    if pool == "text_prototype":
        bias = case.tensor("input/map_bias")[:, None]
        anchors = case.tensor("input/map_weight") @ case.tensor("input/word_embeddings") + bias
    same(anchors, arrays["anchors"])
    mask = torch.ones(tokens.shape[:2], dtype=torch.bool)
    asked = query_of(tokens, mask, query)
    same(unit(asked) @ unit(anchors).T, arrays["similarity"])
    found = retrieve(asked, anchors, 4)
    assert torch.equal(found.chosen, arrays["index"].long())
    same(found.similarity.sum(1).mean(), arrays["reduce_sim"])
    same(unit(found.vectors), arrays["selected_key"])
    same(torch.cat([found.vectors[0], tokens[0]]), arrays["prompted_first"])


def test_the_published_settings_are_one_experiment() -> None:
    cfg = compose("verb/benchmark", ["experiment=s2ip_ett_paper"])
    cfg.backbone = "tiny"
    cfg = settle(checked(cfg), Facts(cfg.h, 24, 8640))
    model = assemble(cfg, task_of(cfg, 24, Calendar("h")))
    adapter, decoder = model.adapter, model.decoder
    assert isinstance(adapter, S2IP)
    assert isinstance(decoder, FoldDecoder)
    assert isinstance(adapter.anchors, VocabularyPrototypes)
    assert (cfg.context_length, cfg.h, cfg.batch_size, cfg.learning_rate) == (512, 96, 128, 1e-4)
    assert (adapter.trend_length, adapter.seasonal_length, adapter.edge) == (96, 96, "flat")
    assert (adapter.n_retrieved, adapter.align, adapter.align_sum) == (4, 0.05, True)
    assert (adapter.layout.n_tokens, adapter.floor, adapter.norm) == (68, 0.0, "window")
    trained = {n for n, w in model.backbone.named_parameters() if w.requires_grad}
    assert trained
    assert all("norm" in name for name in trained)
