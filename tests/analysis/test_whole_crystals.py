"""Planted parallelograms are found behind distractors, on held-out pairs, and random differences have none."""

import numpy as np
import pytest

from analysis import AnalysisError
from analysis.dictionaries.whole.crystals import Pairs, crystals, pairs_of, word_states
from analysis.dictionaries.whole.relations import RELATIONS

NAMES, EACH, WIDTH = 4, 14, 40


def planted(random, step=1.0, distractor=6.0):
    """Four relations, each a step of its own, behind two strong numbers that have nothing to do with them."""
    relation = np.repeat(np.arange(NAMES), EACH)
    steps = random.standard_normal((NAMES, WIDTH)) * step
    distractors = np.linalg.qr(random.standard_normal((WIDTH, 2)))[0].T
    first = random.standard_normal((len(relation), WIDTH))
    bent = distractor * random.standard_normal((len(relation), 2)) @ distractors
    noise = 0.15 * random.standard_normal((len(relation), WIDTH))
    second = first + steps[relation] + bent + noise
    names = tuple(f"relation {number}" for number in range(NAMES))
    return Pairs(first.astype(np.float32), second.astype(np.float32), relation, names)


def test_planted_parallelograms_are_found_behind_distractors(rng):
    found = crystals(planted(rng(0)))
    assert found.after > 0.6 > 0.3 > found.before
    assert max(found.shuffled_after) < 0.1 and found.cosine > found.cosine_between


def test_without_distractors_they_are_there_before(rng):
    found = crystals(planted(rng(1), distractor=0.0))
    assert found.before > 0.8 and found.cosine > 0.95


def test_random_differences_have_no_crystals_even_after_discriminants(rng):
    found = crystals(planted(rng(2), step=0.0))
    assert found.after < 0.1 and abs(found.cosine) < 0.1


def test_partners_dealt_anew_lose_what_only_the_pairing_gives(rng):
    found = crystals(planted(rng(3), distractor=0.0))
    assert max(found.repaired_before) < found.before - 0.2


def test_differences_are_told_apart_whatever_is_added_to_both_words(rng):
    given = planted(rng(4))
    moved = Pairs(given.first + 5, given.second + 5, given.relation, given.names)
    assert crystals(moved).after == pytest.approx(crystals(given).after, abs=1e-3)


def test_the_built_in_words_are_read_and_paired(toy):
    states = word_states(toy)
    assert states.values.shape == (toy.n_layers + 1, len(states.words), toy.d_model)
    pairs = pairs_of(states.words, states.at(2))
    assert len(pairs.relation) == sum(map(len, RELATIONS.values()))
    at = states.words.index("Paris")
    np.testing.assert_array_equal(pairs.second[0], states.at(2)[at])
    assert pairs.words[0] == ("France", "Paris")
    assert np.isfinite(crystals(pairs, mixes=2).after)


def test_no_relation_names_a_pair_twice():
    for pairs in RELATIONS.values():
        assert len(set(pairs)) == len(pairs) >= 8


def test_few_pairs_are_refused_in_words(rng):
    given = planted(rng(5))
    few = Pairs(given.first[:16], given.second[:16], given.relation[:16], given.names[:2])
    with pytest.raises(AnalysisError, match="4 pairs each"):
        crystals(few)
