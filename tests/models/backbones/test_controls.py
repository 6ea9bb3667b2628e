"""Controls in place of the language model: each is as documented, and nothing else changes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor

from tests.frames import random_walks
from tests.networks import network, train
from tslm import TSLMForecaster
from tslm.core.config.choices import choices
from tslm.core.config.estimator_settings import configure
from tslm.core.errors import ConfigError
from tslm.core.spec import Spec
from tslm.core.types import Batch, Context, Tokens
from tslm.estimators.training.weights import trained_state
from tslm.models.backbones.base import Backbone
from tslm.models.backbones.build import blocks_of
from tslm.models.backbones.freezing import norms
from tslm.models.backbones.huggingface import HuggingFaceBackbone
from tslm.models.backbones.loading import load
from tslm.models.backbones.weights.catalog import controls
from tslm.models.forecast_model import ForecastModel

H = 8
CONTROLS = sorted(controls())
TRAINED = ["attention", "block", "gru", "linear", "mlp"]
FROZEN = [name for name in CONTROLS if name not in (*TRAINED, "none")]
WEIGHTS = ["random", "random_matched", "scrambled", "layers_shuffled"]
FREEZES = ["strict", "norms", "norms+pos", "lora", "full"]


def built(backbone: str, adapter: Any = "autotimes", seed: int = 0, **values: Any) -> ForecastModel:
    parts = {"adapter": adapter, "freeze": values.pop("freeze", "strict")}
    return network(parts, rows=64, seed=seed, backbone=backbone, h=H, **values)


def body(backbone: str, freeze: Any = "strict", **values: Any) -> Backbone:
    return built(backbone, freeze=freeze, **values).backbone


def tokens(n: int = 5, padded: int = 0, width: int = 48, seed: int = 0) -> Tokens:
    dice = torch.Generator().manual_seed(seed)
    mask = torch.ones(3, n, dtype=torch.bool)
    mask[1, :padded] = False
    return Tokens(torch.randn(3, n, width, generator=dice), mask)


@pytest.fixture
def batch(walks: Callable[..., Batch], cache: Path) -> Batch:
    return walks(context=32, future=H)


def outside(model: ForecastModel) -> dict[str, Tensor]:
    return {n: t for n, t in model.state_dict().items() if not n.startswith("backbone.")}


@pytest.mark.parametrize("adapter", choices("adapter"))
@pytest.mark.parametrize("kind", CONTROLS)
def test_nothing_outside_the_backbone_changes(kind: str, adapter: str, batch: Batch) -> None:
    plain, swapped = built("tiny", adapter), built(f"{kind}:tiny", adapter)
    assert outside(plain).keys() == outside(swapped).keys()
    for name, value in outside(plain).items():
        if name.endswith(".basis") and kind.startswith("vocab"):  # that of the words it may speak
            continue
        assert torch.equal(outside(swapped)[name], value), name
    seen = []
    for model in (plain, swapped):
        model.prepare(batch.time.flatten())
        past = batch.past[:, -model.adapter.layout.n_tokens * model.patch_len :]
        time = batch.time[:, : past.shape[1]]
        seen.append(model.adapter(Context.fold(model.adapter.scale(past).apply(past), time)))
    if kind.startswith("vocab"):  # only these change the words an adapter may speak in
        return
    assert torch.equal(seen[0].embeds, seen[1].embeds)
    assert torch.equal(seen[0].mask, seen[1].mask)


@pytest.mark.parametrize("kind", CONTROLS)
def test_the_backbone_is_used(kind: str, batch: Batch) -> None:
    model = built(f"{kind}:tiny")
    ahead = model.forecast(batch, H)
    model.backbone.register_forward_hook(lambda _m, _a, out: torch.zeros_like(out))
    assert not torch.allclose(model.forecast(batch, H), ahead)


def test_without_a_backbone_the_decoder_reads_the_tokens(batch: Batch) -> None:
    model = built("none:tiny")
    scale = model.adapter.scale(batch.past)
    read = model.adapter(Context.fold(scale.apply(batch.past), batch.time[:, :32]))
    expected = model.decoder(read.embeds, read)
    values = model(batch.past, batch.time[:, :32]).values
    expected = expected.reshape(3, 2, -1).transpose(1, 2)
    known = scale.preceding(expected.shape[1], model.step)
    torch.testing.assert_close(values, expected * known.spread + known.loc)
    assert torch.equal(model.backbone(tokens()), tokens().embeds)


@pytest.mark.parametrize("kind", CONTROLS)
def test_no_token_attends_to_a_later_one_in_a_causal_model(kind: str) -> None:
    control = body(f"{kind}:tiny")
    plain, changed = tokens(), tokens()
    changed.embeds[:, 3:] += 1
    one, two = control(plain), control(changed)
    torch.testing.assert_close(one[:, :3], two[:, :3])
    assert not torch.allclose(one[:, 3:], two[:, 3:])
    assert control.causal


@pytest.mark.parametrize("kind", ["attention", "block", "random", "scrambled"])
def test_a_control_of_an_encoder_is_bidirectional(kind: str, checkpoint: Any) -> None:
    from tslm.models.assembly import body_of

    cfg = configure({"adapter": "autotimes"}, {"backbone": f"{kind}:{checkpoint('bert')}"})
    control = body_of(cfg)
    assert not control.causal
    plain, changed = tokens(width=32), tokens(width=32)
    changed.embeds[:, 3:] = tokens(width=32, seed=1).embeds[:, 3:]
    assert not torch.allclose(control(plain)[:, :3], control(changed)[:, :3])


@pytest.mark.parametrize("kind", CONTROLS)
def test_padding_is_inert_and_reading_on_equals_reading_at_once(kind: str) -> None:
    control = body(f"{kind}:tiny")
    control.eval()
    padded = tokens(6, padded=2)
    hidden = control(padded)
    loud = padded.embeds.clone()
    loud[1, :2] = torch.nan
    torch.testing.assert_close(control(Tokens(loud, padded.mask))[1, 2:], hidden[1, 2:])
    short = Tokens(padded.embeds[1:2, 2:], padded.mask[1:2, 2:])
    torch.testing.assert_close(control(short)[0], hidden[1, 2:], rtol=1e-4, atol=1e-5)
    first, state = control.start(Tokens(padded.embeds[:, :4], padded.mask[:, :4]))
    then, _ = control.extend(state, Tokens(padded.embeds[:, 4:], padded.mask[:, 4:]))
    together = torch.cat([first, then], 1)
    for row, skip in enumerate([0, 2, 0]):
        torch.testing.assert_close(together[row, skip:], hidden[row, skip:], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("freeze", FREEZES)
@pytest.mark.parametrize("kind", ["", *WEIGHTS])
def test_exactly_the_unfrozen_weights_are_trained(kind: str, freeze: str, batch: Batch) -> None:
    model = built(f"{kind}:tiny" if kind else "tiny", freeze=freeze, n_layers=2)
    before = {name: value.clone() for name, value in model.backbone.state_dict().items()}
    held = {n for n, w in model.backbone.named_parameters() if w.requires_grad}
    train(model, batch, H)
    moved = {n for n, v in model.backbone.state_dict().items() if not torch.equal(v, before[n])}
    assert moved == held
    expected = {
        "strict": set(),
        "norms": {n for n in before if "norm" in n},
        "norms+pos": {n for n in before if "norm" in n},  # a rotary model has no positions
        "lora": {n for n in before if "lora_" in n},
        "full": {n for n in before if "embed_tokens" not in n},
    }[freeze]
    assert held == expected
    assert bool(held) == (freeze != "strict")
    kept = {n.removeprefix("backbone.") for n in trained_state(model) if n.startswith("backbone.")}
    assert kept == held


def test_positions_are_trained_where_there_are_learnt_ones(checkpoint: Any) -> None:
    both = body(checkpoint("gpt2"), freeze="norms+pos")
    alone = body(checkpoint("gpt2"), freeze="norms")
    names = [{n for n, w in b.named_parameters() if w.requires_grad} for b in (both, alone)]
    assert names[0] - names[1] == {"body.wpe.weight"}
    assert all("ln_" in name for name in names[1])


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "opt", "gemma3_text", "bert"])
def test_low_rank_updates_start_at_the_pretrained_backbone(
    architecture: str, checkpoint: Any
) -> None:
    from tslm.models.assembly import body_of

    name = checkpoint(architecture)
    parts = {"adapter": "autotimes", "freeze": Spec("lora", rank=2)}
    updated = body_of(configure(parts, {"backbone": name}))
    torch.testing.assert_close(updated(tokens(width=32)), load(name)(tokens(width=32)))
    trained = [w for w in updated.parameters() if w.requires_grad]
    assert trained
    assert all(2 in w.shape for w in trained)


def test_low_rank_updates_that_cannot_be_placed_are_refused() -> None:
    with pytest.raises(ConfigError, match="peft cannot update nowhere"):
        body("tiny", freeze=Spec("lora", targets=["nowhere"]))
    with pytest.raises(ConfigError, match=r"dropout=0\.1: backbones stay in evaluation mode"):
        body("tiny", freeze=Spec("lora", dropout=0.1))


def test_a_trained_backbone_is_not_shared() -> None:
    shared, own = load("tiny"), body("tiny", freeze="full")
    assert body("tiny") is shared
    assert own is not shared
    assert not any(weight.requires_grad for weight in shared.parameters())


def inner(backbone: Backbone) -> dict[str, Tensor]:
    """Weight tensors of the blocks, less those of norms."""
    assert isinstance(backbone, HuggingFaceBackbone)
    apart = {id(w) for norm in norms(backbone.body) for w in norm.parameters()}
    return {n: w for n, w in blocks_of(backbone.body).named_parameters() if id(w) not in apart}


def test_matched_weights_have_the_mean_and_deviation_of_their_tensors() -> None:
    matched = inner(body("random_matched:tiny"))
    for name, weight in inner(load("tiny")).items():
        other = matched[name]
        error = 3 * float(weight.std()) / weight.numel() ** 0.5
        assert abs(float(other.mean() - weight.mean())) < error, name
        assert abs(float(other.std() / weight.std()) - 1) < 3 / (2 * weight.numel()) ** 0.5, name
        assert not torch.equal(other, weight)


def test_scrambled_weights_are_the_same_values_in_another_order() -> None:
    scrambled = inner(body("scrambled:tiny"))
    for name, weight in inner(load("tiny")).items():
        assert not torch.equal(scrambled[name], weight), name
        assert torch.equal(scrambled[name].flatten().sort().values, weight.flatten().sort().values)


def test_controls_do_not_change_norms(checkpoint: Any) -> None:
    name = checkpoint("gpt2")
    for kind in ("random_matched", "scrambled"):
        changed = body(f"{kind}:{name}")
        assert isinstance(changed, HuggingFaceBackbone)
        pairs = zip(norms(changed.body), norms(load(name).body), strict=True)
        for one, two in pairs:
            for a, b in zip(one.parameters(), two.parameters(), strict=True):
                assert torch.equal(a, b)


def test_shuffled_layers_are_all_there_in_another_order(checkpoint: Any) -> None:
    name = checkpoint("llama")
    shuffled, plain = body(f"layers_shuffled:{name}"), load(name)
    assert isinstance(shuffled, HuggingFaceBackbone)
    first = [block.self_attn.q_proj.weight for block in blocks_of(shuffled.body)]
    second = [block.self_attn.q_proj.weight for block in blocks_of(plain.body)]
    order = [next(i for i, w in enumerate(second) if torch.equal(w, v)) for v in first]
    assert sorted(order) == list(range(4))
    assert order != list(range(4))


def test_word_vectors_change_only_in_controls_of_the_embedding() -> None:
    words = load("tiny").lexicon.words
    scrambled = body("vocab_scrambled:tiny").lexicon.words
    assert not torch.equal(scrambled, words)
    assert torch.equal(scrambled.sum(1).sort().values, words.sum(1).sort().values)
    drawn = body("vocab_random:tiny").lexicon.words
    torch.testing.assert_close(drawn.mean(0), words.mean(0), atol=0.01, rtol=0)
    torch.testing.assert_close(drawn.std(0), words.std(0), rtol=0.2, atol=0)
    sentence = ["ab"]
    assert not torch.equal(
        body("vocab_scrambled:tiny").lexicon.read(sentence), load("tiny").lexicon.read(sentence)
    )
    for kind in (*WEIGHTS, *TRAINED, "none", "block_pretrained"):
        lexicon = body(f"{kind}:tiny").lexicon
        assert torch.equal(lexicon.words, words), kind
        assert torch.equal(lexicon.read(sentence), load("tiny").lexicon.read(sentence)), kind
        assert lexicon.key == load("tiny").lexicon.key


@pytest.mark.parametrize("kind", FROZEN)
def test_a_seed_names_a_draw_and_the_fingerprint_knows_it(kind: str) -> None:
    one, same, other = (body(f"{kind}:tiny{seed}") for seed in ("", ":0", ":1"))
    assert one.identity.fingerprint == same.identity.fingerprint
    torch.testing.assert_close(one(tokens()), same(tokens()), rtol=0, atol=0)
    drawn = kind not in ("block_pretrained", "layers_shuffled")  # two blocks have one other order
    assert (other.identity.fingerprint != one.identity.fingerprint) == drawn


@pytest.mark.parametrize("kind", TRAINED)
def test_a_trained_control_follows_the_seed_of_the_training(kind: str, batch: Batch) -> None:
    one, same, other = (built(f"{kind}:tiny", seed=seed) for seed in (0, 0, 1))
    weights = [dict(model.backbone.named_parameters()) for model in (one, same, other)]
    assert all(torch.equal(weights[1][n], w) for n, w in weights[0].items())
    assert not all(torch.equal(weights[2][n], w) for n, w in weights[0].items())
    held = {n for n, w in one.backbone.named_parameters() if w.requires_grad}
    before = {n: w.detach().clone() for n, w in weights[0].items()}
    train(one, batch, H)
    moved = {n for n, w in one.backbone.named_parameters() if not torch.equal(w, before[n])}
    assert moved == held
    assert held == {n for n in before if "embed_tokens" not in n}


def test_sizes() -> None:
    width = 48
    count = {
        kind: sum(w.numel() for w in body(f"{kind}:tiny").parameters() if w.requires_grad)
        for kind in CONTROLS
    }
    assert count["none"] == 0
    assert count["linear"] == width * width + width
    assert count["gru"] == 6 * width * width + 6 * width
    assert abs(count["mlp"] / count["block"] - 1) < 0.05
    assert (
        count["block"]
        == sum(w.numel() for w in blocks_of(load("tiny", 1).body).parameters()) + width
    )  # and the final norm
    assert all(count[kind] == 0 for kind in FROZEN)


def test_depth_is_that_of_the_reference() -> None:
    for kind in WEIGHTS:
        for depth in (1, 2):
            assert body(f"{kind}:tiny", n_layers=depth).identity.n_layers == depth
    assert torch.equal(body("block_pretrained:tiny")(tokens()), load("tiny", 1)(tokens()))
    assert torch.equal(body("tiny", n_layers="all")(tokens()), load("tiny")(tokens()))


@pytest.mark.parametrize("kind", [*TRAINED, "none", "random"])
def test_these_need_no_weights_of_the_reference(
    kind: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is in the cache, and nothing may be fetched."""
    monkeypatch.setenv("TSLM_OFFLINE", "1")
    for name in ("smollm2-135m", "gemma3-270m"):
        control = body(f"{kind}:{name}", n_layers=1)
        assert control(tokens(width=control.width)).shape == (3, 5, control.width)
    assert body(kind, n_layers=1).width == 576  # of the default


def test_a_saved_control_is_loaded_unchanged(tmp_path: Path) -> None:
    df = random_walks(120, ("a",), level=0, freq="h")
    for kind, freeze in [("block", "strict"), ("gru", "strict"), ("random", "lora"), ("", "norms")]:
        name = f"{kind}:tiny" if kind else "tiny"
        options: dict[str, Any] = {"h": 4, "max_steps": 3, "accelerator": "cpu", "verbose": 0}
        model = TSLMForecaster(
            base=None, backbone=name, freeze=freeze, random_state=0, val_size=0, **options
        )
        model.fit(df).save(tmp_path / (kind or "plain"))
        again = TSLMForecaster.load(tmp_path / (kind or "plain"))
        pd.testing.assert_frame_equal(again.predict(h=9), model.predict(h=9))
    other = TSLMForecaster(
        base=None, backbone="random:tiny:3", random_state=0, val_size=0, **options
    ).fit(df)
    other.save(tmp_path / "other")
    stored = (tmp_path / "other" / "model.json").read_text()
    assert '"random:tiny:3"' in stored


def test_no_adapter_imports_a_backbone() -> None:
    """Adapters receive a lexicon and a task, and do not depend on the backbone."""
    source = Path(__file__).parents[3] / "tslm" / "models" / "adapters"
    files = {file.name: file.read_text() for file in source.rglob("*.py")}
    assert "autotimes.py" in files
    assert not [name for name, text in files.items() if "backbones" in text]
