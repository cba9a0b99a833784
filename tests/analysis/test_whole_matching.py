"""A permuted copy is matched exactly, unrelated dictionaries are not, and other tokens are refused."""

import numpy as np
import pytest

from analysis import AnalysisError
from analysis.dictionaries.firing.firings import Firings
from analysis.dictionaries.whole.agreement import agreement
from analysis.dictionaries.whole.matching import (
    highest_correlations,
    match_activations,
    match_directions,
    one_to_one,
)

TOKENS, FEATURES, WIDTH = 3000, 40, 12


def firings_of(activations: np.ndarray, ids=None) -> Firings:
    rows, columns = np.nonzero(activations)
    offsets = np.concatenate([[0], np.cumsum((activations != 0).sum(1))])
    count = len(activations)
    return Firings(
        np.arange(count, dtype=np.int32) if ids is None else ids,
        np.zeros(count, np.int32),
        np.arange(count, dtype=np.int32),
        np.ones(count, bool),
        offsets.astype(np.int64),
        columns.astype(np.int32),
        activations[rows, columns].astype(np.float32),
        activations.shape[1],
    )


def some(random, features=FEATURES):
    return random.exponential(1, (TOKENS, features)) * (random.random((TOKENS, features)) < 0.05)


def rows_of(random, features=FEATURES, width=WIDTH):
    return random.standard_normal((features, width)).astype(np.float32)


def test_a_permuted_copy_recovers_the_permutation_and_agrees_fully(rng):
    random = rng(0)
    activations, rows, order = some(random), rows_of(random), random.permutation(FEATURES)
    found = match_activations(firings_of(activations), firings_of(activations[:, order]), (rows, rows[order]))
    assert found.one.tolist() == list(range(FEATURES))
    assert order[found.other].tolist() == list(range(FEATURES))
    np.testing.assert_allclose(found.similarity, 1, atol=1e-5)
    assert found.agreement.svcca == pytest.approx(1) and found.agreement.rsa == pytest.approx(1)
    assert np.mean(found.agreement.svcca_null) < 0.9 and abs(np.mean(found.agreement.rsa_null)) < 0.05


def test_a_rotated_copy_agrees_as_fully(rng):
    random = rng(1)
    rows = rows_of(random, 200)
    turned = (rows @ np.linalg.qr(random.standard_normal((WIDTH, WIDTH)))[0]).astype(np.float32)
    found = agreement(rows, 3 * turned)
    assert found.svcca == pytest.approx(1, abs=1e-6) and len(found.svcca_null) == 100


def test_directions_of_a_permuted_copy_recover_the_permutation(rng):
    random = rng(2)
    rows, order = rows_of(random), random.permutation(FEATURES)
    found = match_directions(rows, 2 * rows[order])
    assert order[found.other].tolist() == list(range(FEATURES))
    np.testing.assert_allclose(found.similarity, 1, atol=1e-5)
    assert found.best_null.max() < 0.99


def test_unrelated_dictionaries_match_no_better_than_shifted_tokens(rng):
    random = rng(3)
    found = match_activations(
        firings_of(some(random)), firings_of(some(random)), (rows_of(random), rows_of(random))
    )
    assert found.best.mean() == pytest.approx(found.best_null.mean(), abs=0.03)
    assert found.agreement is None or abs(found.agreement.rsa) < 0.2


def test_random_partners_give_what_unrelated_rows_give(rng):
    random = rng(4)
    found = agreement(rows_of(random, 300), rows_of(random, 300))
    assert min(found.svcca_null) <= found.svcca <= max(found.svcca_null) + 0.02
    assert abs(found.rsa) < 0.05


def test_correlations_agree_with_numpy(rng):
    random = rng(5)
    one, other = some(random, 7), some(random, 9)
    best, where = highest_correlations(firings_of(one).by_token, firings_of(other).by_token)
    table = np.corrcoef(one.T, other.T)[:7, 7:]
    np.testing.assert_array_equal(where, table.argmax(1))
    np.testing.assert_allclose(best, table.max(1), atol=1e-5)


def test_of_several_with_one_partner_the_most_similar_keeps_it():
    assert one_to_one(np.array([3, 3, 1, 3]), np.array([0.2, 0.9, 0.5, 0.9], np.float32)).tolist() == [1, 2]


def test_other_tokens_and_other_widths_are_refused_in_words(rng):
    random = rng(6)
    one = firings_of(some(random))
    other = firings_of(some(random), np.arange(TOKENS, dtype=np.int32)[::-1].copy())
    with pytest.raises(AnalysisError, match="the same tokenizer"):
        match_activations(one, other, (rows_of(random), rows_of(random)))
    with pytest.raises(AnalysisError, match="Match by activations"):
        match_directions(rows_of(random), rows_of(random, width=5))
