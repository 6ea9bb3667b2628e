"""Generated statements are distinct, reproducible, and say what their effect is."""

import numpy as np
import pytest

from tslm.evaluation.statements import vocabulary
from tslm.evaluation.statements.generator import SEEN_KINDS, UNSEEN_KINDS, curve, generate
from tslm.evaluation.statements.wordings import wordings
from tslm.models.text.stated_numbers import stated_sizes


def test_the_same_seed_gives_the_same_statements() -> None:
    assert generate(50, "train", seed=1) == generate(50, "train", seed=1)
    assert generate(50, "train", seed=1) != generate(50, "train", seed=2)


def test_statements_are_distinct_and_fill_all_gaps() -> None:
    made = generate(300, "train") + generate(100, "test", kinds=UNSEEN_KINDS)
    assert len({statement.text for statement in made}) == 400
    assert not any("{" in statement.text for statement in made)
    assert {statement.kind for statement in made} == {*SEEN_KINDS, *UNSEEN_KINDS}


def test_a_number_of_size_in_a_factor_statement_has_a_meaning_that_is_the_effect() -> None:
    made = [one for one in generate(400, "train") if one.kind == "factor"]
    table = stated_sizes([one.text for one in made]).log_factors.numpy()
    truth = np.array([one.log_factor for one in made])[:, None]
    known = ~np.isnan(table[:, 0])
    assert known.mean() > 0.6
    right = (np.abs(table - truth) < 0.02).any(1)
    assert right[known].mean() > 0.97


@pytest.mark.parametrize("name", SEEN_KINDS)
def test_each_kind_has_a_dozen_frames_and_none_in_two_splits(name: str) -> None:
    table = wordings().frames[name]
    everything = [frame for split in table.values() for frame in split]
    assert len(everything) >= 12
    assert len(set(everything)) == len(everything)
    assert all(table[split] for split in ("train", "val", "test"))


@pytest.mark.parametrize("name", ["RISE", "FALL", "A_RISE", "A_FALL", "HIGHER", "LOWER", "NORMAL"])
def test_no_word_of_size_is_in_two_splits(name: str) -> None:
    words = [word for split in getattr(vocabulary, name).values() for word in split.split("|")]
    assert len(set(words)) == len(words)


def test_curves_are_one_where_the_effect_is_largest() -> None:
    at = np.linspace(0, 1, 11)
    assert curve("flat", at).tolist() == [1] * 11
    assert curve("ramp", at).tolist() == at.tolist()
    assert [int(curve(shape, at).argmax()) for shape in ("first", "middle", "last")] == [0, 5, 10]
