"""A planted hierarchy of features is recovered, and features that fire at random have no family."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from analysis import AnalysisError
from analysis.dictionaries.whole.families import families, overlapping

TOKENS = 6000


def planted(random):
    """Roots 0 and 4; 1, 2 and 3 fire only where 0 does, 3 only where 2 does; 5 where 4 does; 6 to 15 anywhere."""
    fires = np.zeros((TOKENS, 16), bool)
    fires[:, 0] = random.random(TOKENS) < 0.08
    fires[:, 4] = random.random(TOKENS) < 0.06
    for child, parent, share in ((1, 0, 0.4), (2, 0, 0.5), (3, 2, 0.5), (5, 4, 0.5)):
        fires[:, child] = fires[:, parent] & (random.random(TOKENS) < share)
    fires[:, 6:] = random.random((TOKENS, 10)) < 0.02
    return fires


def sparse(fires):
    return csr_array(fires.astype(np.float32) * 0.7)


def test_a_planted_hierarchy_is_recovered(rng):
    found = families(sparse(planted(rng(0))), 0.6)
    first, second = found.found[:2]
    parents = {member.feature: member.parent for member in first.members}
    assert parents == {0: None, 1: 0, 2: 0, 3: 2}
    assert {member.feature for member in second.members} == {4, 5} and second.root == 4
    assert all(member.overlap == pytest.approx(1) for member in first.members[1:])
    assert found.joined_by_chance == 0 and found.joined == 5  # 3 within 2 and within 0


def test_a_parent_is_always_denser(rng):
    fires = planted(rng(1))
    sizes = fires.sum(0)
    for family in families(sparse(fires), 0.3).found:
        for member in family.members[1:]:
            assert sizes[member.parent] >= sizes[member.feature]


def test_features_that_fire_at_random_have_no_family(rng):
    found = families(sparse(rng(2).random((TOKENS, 40)) < 0.03), 0.5)
    assert found.found == () and found.joined == 0


def test_overlap_is_the_share_of_the_rarer_one():
    fires = np.zeros((20, 3), bool)
    fires[:10, 0], fires[5:9, 1], fires[8:12, 2] = True, True, True
    found = overlapping(csr_array(fires.astype(np.float32)).tocsc(), fires.sum(0), 0.2)
    pairs = {(int(r), int(c)): v for r, c, v in zip(found.row, found.col, found.data, strict=True)}
    assert pairs == {(0, 1): 1.0, (0, 2): 0.5, (1, 2): 0.25}


def test_frequent_features_are_left_out_and_counted(rng):
    fires = planted(rng(3))
    fires[:, 15] = rng(4).random(TOKENS) < 0.5
    found = families(sparse(fires), 0.6)
    assert found.too_dense == 1 and all(15 not in [m.feature for m in each.members] for each in found.found)


def test_later_rounds_find_families_below_a_root_that_was_taken_out(rng):
    found = families(sparse(planted(rng(5))), 0.6)
    assert {each.round for each in found.found} == {1}  # what is left of the first family is part of it


def test_bad_thresholds_and_empty_tables_are_refused_in_words(rng):
    with pytest.raises(AnalysisError, match="between 0 and 1"):
        families(sparse(planted(rng(6))), 0.0)
    with pytest.raises(AnalysisError, match="need at least 2"):
        families(csr_array(np.zeros((50, 4), np.float32)), 0.5)
