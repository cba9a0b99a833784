"""What is said of a whole dictionary follows from its numbers."""

import numpy as np

from analysis.dictionaries.labels.rule import SILENT, UNCLEAR
from analysis.dictionaries.shelf import Offer
from analysis.dictionaries.whole.crystals import Crystals
from analysis.dictionaries.whole.cycles import Circle, Cycle
from analysis.dictionaries.whole.families import Families, Family, Member
from analysis.dictionaries.whole.lobes import Lobes
from analysis.dictionaries.whole.matching import Matching
from analysis.edits import Site
from components.features.whole_parts import circles, crystals, families, lobes, map, match, seen


def some_lobes(agreement: float) -> Lobes:
    three = np.arange(3)
    return Lobes(
        three, three, three, 2, 90, 1, 2, 0.2, 0.01, 0.02, agreement, (-0.01, 0.05), 0.6, (0.3, 0.36)
    )


def test_lobes_are_said_to_point_alike_only_above_every_shuffle():
    assert "They somewhat point alike" in lobes._answer(some_lobes(0.06))
    assert "do not point alike more than chance" in lobes._answer(some_lobes(0.04))
    assert "They clearly point alike" in lobes._answer(some_lobes(0.4))
    assert "few chunks" in lobes._left_out(some_lobes(0.1))


def test_kinds_of_labels_are_told_by_their_rule():
    told = {
        "token ‘sea’": 0,
        "tokens ‘a’, ‘b’": 0,
        "words beginning with ‘un’": 1,
        "words ending in ‘ing’": 1,
        "after ‘the’": 2,
        "before ‘of’": 2,
        "near ‘ship’": 3,
        "digits": 4,
        UNCLEAR: 5,
        "the end of ‘of Paris’": 0,
        "peaks at ‘sea’, ‘boat’": 0,
        "peaks at words ending in ‘ing’": 1,
        "peaks after ‘the’": 2,
        "peaks at numbers": 4,
        f"{UNCLEAR}; e.g. ‘sea’; promotes ‘wave’": 5,
        SILENT: 6,
    }
    assert {label: map._label_kind(label) for label in told} == told


def some_circle(layer: int, p: float, ordered: bool) -> Circle:
    return Circle(layer, np.zeros((7, 2), np.float32), 0.6, 0.7, p, ordered)


def test_a_circle_is_claimed_only_where_words_stand_in_order():
    ps = (0.003, 0.2, 0.5)
    every = tuple(some_circle(layer, p, p < 0.1) for layer, p in enumerate(ps))
    words = tuple("abcdefg")
    found = Cycle("days", words, 25, 360, True, np.zeros((3, 7, 2), np.float32), (0, 1, 2), every, every)
    assert "stand in their order around a circle" in circles._cycle_answer(found, every, every[0], "first")
    said = circles._cycle_answer(found, every, every[2], "first")
    assert (
        "do not stand exactly in their order" in said
        and "At 1 of 3 layers" in said
        and "by chance 0.2" in said
    )


def some_crystals(after: float, repaired: float) -> Crystals:
    pairs = np.zeros((2, 2), np.float32)
    return Crystals(
        ("one", "two"),
        (("a", "b"), ("c", "d")),
        np.array([0, 1]),
        0.1,
        0.0,
        0.05,
        after,
        (0.0,),
        (repaired,),
        (-0.1,),
        pairs,
        pairs.copy(),
    )


def test_crystals_say_whether_the_partners_matter():
    assert "not because of who is paired" in crystals._answer(some_crystals(0.5, 0.49), 4, "states")
    assert "0.30 needs the right partners" in crystals._answer(some_crystals(0.5, 0.2), 4, "states")
    assert "agree hardly" in crystals._answer(some_crystals(0.5, 0.2), 4, "states")


def test_families_count_every_member_once():
    root, child = Member(3, None, 0, float("nan")), Member(5, 3, 1, 0.9)
    found = Families((Family((root, child), 1), Family((child, Member(6, 5, 1, 0.8)), 2)), 0.5, 40, 1, 7, 0)
    assert families._answer(found).startswith("3 of 40 features stand in 2 families (1 in the first round)")


def test_partners_are_counted_above_what_nothing_reaches():
    similarity = np.array([0.9, 0.8, 0.05], np.float32)
    null = np.full(3, 0.1, np.float32)
    found = Matching("activations", np.arange(3), np.arange(3), similarity, similarity, null, (3, 3), None)
    offer = Offer("kept.x", "Layer 8", Site(8), 3, "kept")
    assert match._answer(found, offer, "activations").startswith(
        "2 of 3 features have a partner of their own in Layer 8"
    )


def test_a_feature_without_evidence_is_a_number():
    assert seen.named(None, 4) == "feature 4"
