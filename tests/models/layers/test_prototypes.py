"""Prototypes: what they span, what is trained, what is remembered."""

from typing import Any

import pytest
import torch
from torch import nn

from tslm.core.errors import ConfigError
from tslm.models.backbones.loading import load
from tslm.models.layers.patch_embedding import ConvPatchEmbedding
from tslm.models.layers.prototypes import KINDS, WORDS, Prototypes, make_prototypes, spectral_basis
from tslm.models.layers.reprogramming import Reprogramming

LEXICON = load("tiny").lexicon


def made(kind: str, count: int = 7, **options: Any) -> Prototypes:
    torch.manual_seed(0)
    return make_prototypes(kind, LEXICON, count, **options)


def test_the_basis_is_orthogonal_and_spans_the_words() -> None:
    basis, words = spectral_basis(LEXICON.words), LEXICON.words
    gram = (basis @ basis.T).double()
    off = gram - torch.diag(gram.diag())
    assert float(off.abs().max()) < 1e-6 * float(gram.max())
    coefficients = torch.linalg.lstsq(basis.double().T, words.double().T).solution.T
    torch.testing.assert_close((coefficients @ basis.double()).float(), words, atol=1e-5, rtol=1e-4)
    strengths = basis.norm(dim=1)
    assert (strengths.diff() <= 1e-7).all()


def test_spectral_prototypes_are_the_same_functions_as_published_ones() -> None:
    """Any map of the vocabulary has a map of the basis that gives the same vectors."""
    published, ours = made("vocabulary"), made("spectral")
    nn.init.zeros_(published.map.bias)
    vectors = published().detach().double()
    weights = torch.linalg.lstsq(ours.basis.double().T, vectors.T).solution.T
    ours.weight.data.copy_(weights)
    torch.testing.assert_close(ours(), published(), atol=1e-6, rtol=1e-4)


def test_they_begin_as_large_as_published_ones() -> None:
    published, ours = made("vocabulary", 2000), made("spectral", 2000)
    nn.init.zeros_(published.map.bias)
    sizes = [float(kind().detach().norm(dim=1).mean()) for kind in (published, ours)]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.15)


def test_how_much_is_trained() -> None:
    vocabulary, width = LEXICON.words.shape
    trained = {kind: sum(w.numel() for w in made(kind).parameters()) for kind in KINDS}
    assert trained["spectral"] == 7 * width
    assert trained["vocabulary"] == 7 * vocabulary + 7
    assert all(trained[kind] == 0 for kind in ("words", "uniform", "normal", "zero"))


def test_no_word_table_is_saved() -> None:
    for kind in KINDS:
        sizes = [tensor.numel() for tensor in made(kind).state_dict().values()]
        assert LEXICON.words.numel() not in sizes
        if kind in ("spectral", "words"):
            basis = LEXICON.width**2 if kind == "spectral" else 0
            assert sum(sizes) == sum(w.numel() for w in made(kind).parameters()) + basis


def test_prototypes_of_words_are_embeddings_of_words() -> None:
    chosen = made("words", words=["up", "down"])
    assert chosen().shape == (2, LEXICON.width)
    ids = LEXICON.tokenizer([" up"], add_special_tokens=False)["input_ids"][0]
    torch.testing.assert_close(chosen()[0], LEXICON.words[ids].mean(0))
    assert len(made("words")()) == len(WORDS.split()) == len(set(WORDS.split()))


def test_random_prototypes_are_no_embeddings_of_words() -> None:
    assert made("uniform", 500)().abs().max() <= 5
    assert float(made("normal", 500)().std()) == pytest.approx(5, rel=0.05)
    assert not made("zero")().any()


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"prototypes='letters' is unknown\. Choose one of spectral"
    ):
        made("letters")
    with pytest.raises(ConfigError, match="n_prototypes=0 must be at least 1"):
        made("spectral", 0)
    with pytest.raises(ConfigError, match="list of words for prototypes is empty"):
        made("words", words=[])


def reprogramming(**options: Any) -> Reprogramming:
    sizes = {"patch_width": 6, "width": LEXICON.width, "heads": 2, "head_width": 5, "dropout": 0.0}
    prototypes = made("spectral")
    return Reprogramming(prototypes, **{**sizes, **options})


def test_reprogramming_is_attention_to_prototypes() -> None:
    part, patches = reprogramming().eval(), torch.randn(3, 4, 6)
    words = part.prototypes()
    q, k, v = part.query(patches), part.key(words), part.value(words)
    heads = []
    for head in range(2):
        place = slice(5 * head, 5 * head + 5)
        scores = torch.einsum("snd,kd->snk", q[..., place], k[:, place]) / 5**0.5
        attention = scores.softmax(-1)
        torch.testing.assert_close(attention.sum(-1), torch.ones(3, 4))
        heads.append(torch.einsum("snk,kd->snd", attention, v[:, place]))
    expected = part.out(torch.cat(heads, -1))
    torch.testing.assert_close(part(patches), expected)
    weights = part.weights(patches)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 4))
    torch.testing.assert_close(part(patches[1:2]), expected[1:2])


def test_keys_and_values_are_cached_until_a_weight_changes() -> None:
    part, patches = reprogramming().eval(), torch.randn(2, 4, 6)
    made_again: list[int] = []
    plain = part.prototypes.forward
    part.prototypes.forward = lambda: made_again.append(1) or plain()  # type: ignore[method-assign]
    with torch.no_grad():
        first = part(patches)
        assert torch.equal(part(patches), first)
        assert len(made_again) == 1
    optimizer = torch.optim.SGD(part.parameters(), 0.5)
    part.train()(patches).sum().backward()
    optimizer.step()
    with torch.no_grad():
        part.eval()
        changed = part(patches)
        assert not torch.allclose(changed, first)
        torch.testing.assert_close(changed, part.train()(patches))


def test_a_patch_is_seen_with_its_neighbours_in_a_circle() -> None:
    part, patches = ConvPatchEmbedding(4, 3, 0.0), torch.randn(2, 6, 4)
    expected = torch.zeros(2, 6, 3)
    for place in range(6):
        for tap, neighbour in enumerate((place - 1, place, (place + 1) % 6)):
            expected[:, place] += patches[:, neighbour] @ part.weight[:, :, tap].T
    torch.testing.assert_close(part(patches), expected)
    conv = nn.Conv1d(4, 3, 3, padding=1, padding_mode="circular", bias=False)
    conv.weight.data.copy_(part.weight)
    torch.testing.assert_close(part(patches), conv(patches.transpose(1, 2)).transpose(1, 2))


def test_a_basis_is_saved_with_its_weights() -> None:
    ours, other = made("spectral"), made("spectral")
    other.basis.neg_()  # another machine may find directions that point the other way
    other.load_state_dict(ours.state_dict())
    assert torch.equal(other(), ours())
