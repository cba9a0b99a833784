"""Matching pursuit as a dictionary: by hand, its laws, and what it refuses."""

import numpy as np
import pytest
import torch

from analysis.dictionaries.dictionary import Dictionary, reconstructed
from analysis.dictionaries.matching_pursuit import MatchingPursuit, pursued
from analysis.edits import Site
from analysis.errors import AnalysisError


def a_pursuit(rng, features: int = 40, width: int = 22, k: int = 6, **fields) -> MatchingPursuit:
    rows = rng(0).standard_normal((features, width)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return MatchingPursuit("p", Site(2), rows, rng(1).standard_normal(width).astype(np.float32), k, **fields)


def states(rng, points: int = 30, width: int = 22) -> torch.Tensor:
    return torch.from_numpy(rng(2).standard_normal((points, width)).astype(np.float32))


def test_it_is_a_dictionary(rng, toy):
    made = a_pursuit(rng)
    assert isinstance(made, Dictionary)
    assert (made.features, made.width, made.signed, len(made.id)) == (40, 22, False, 12)
    made.require_fit(toy)
    np.testing.assert_array_equal(made.directions([3, 1]), made.decoder[[3, 1]])


def test_two_turns_by_hand():
    """The diagonal takes 7/sqrt(2); (-.5, .5) is left, of which the second axis takes .5."""
    diagonal = 0.5**0.5
    rows = np.array([[1, 0], [0, 1], [diagonal, diagonal]], np.float32)
    made = MatchingPursuit("p", Site(0), rows, np.array([10, 20], np.float32), 2)
    x = torch.tensor([[13.0, 24.0]])
    torch.testing.assert_close(made.encode(x), torch.tensor([[0.0, 0.5, 7 * diagonal]]))
    torch.testing.assert_close(reconstructed(made, x), torch.tensor([[13.5, 24.0]]))


def test_a_feature_taken_again_adds_up():
    """Three unit vectors in a plane: after the second the first agrees with the rest once more."""
    angle = np.deg2rad([0, 40, 200])
    rows = np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32)
    chosen, amounts = pursued(torch.tensor([[1.0, 0.35]]), torch.from_numpy(rows), 6)
    kept = chosen[0][amounts[0] > 0].tolist()
    assert len(kept) > len(set(kept))
    made = MatchingPursuit("p", Site(0), rows, np.zeros(2, np.float32), 6)
    torch.testing.assert_close(made.encode(torch.tensor([[1.0, 0.35]])).sum(), amounts.sum())


def test_it_can_end_with_the_first_feature_taken_again():
    """The plane of the test before: the turn that takes a feature again counts, and none behind it."""
    angle = np.deg2rad([0, 40, 200])
    rows = np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32)
    x = torch.tensor([[1.0, 0.35], [1.0, 0.0]])
    chosen, amounts = pursued(x, torch.from_numpy(rows), 6)
    until, kept = pursued(x, torch.from_numpy(rows), 6, stops_on_repeat=True)
    turns = int((kept[0] > 0).sum())
    taken = chosen[0, :turns].tolist()
    assert 1 < turns < 6 and taken[-1] in taken[:-1] and len(set(taken[:-1])) == turns - 1
    torch.testing.assert_close(kept[0, :turns], amounts[0, :turns])
    assert int((kept[1] > 0).sum()) == 1


def test_what_is_left_never_grows_and_is_orthogonal_to_the_last_feature(rng):
    made, x = a_pursuit(rng), states(rng)
    rows = torch.tensor(made.decoder)
    before = x.norm(dim=1)
    for k in range(1, 8):
        chosen, amounts = pursued(x, rows, k)
        rest = x - (amounts[:, :, None] * rows[chosen]).sum(1)
        assert (rest.norm(dim=1) <= before + 1e-5).all()
        last = amounts[:, -1] > 0
        assert (rest * rows[chosen[:, -1]]).sum(1)[last].abs().max() < 1e-5
        before = rest.norm(dim=1)


def test_orthonormal_directions_rebuild_everything(rng):
    axes = np.linalg.qr(rng(3).standard_normal((8, 8)))[0].astype(np.float32)
    rows = np.concatenate([axes, -axes])
    made = MatchingPursuit("p", Site(0), rows, np.zeros(8, np.float32), 8)
    x = states(rng, 20, 8)
    torch.testing.assert_close(reconstructed(made, x), x, atol=1e-5, rtol=1e-5)


def test_kept_products_give_the_same(rng):
    rows, x = torch.tensor(a_pursuit(rng).decoder), states(rng, 200)
    plain, kept = pursued(x, rows, 6), pursued(x, rows, 6, gram=rows @ rows.T)
    torch.testing.assert_close(plain[1], kept[1], atol=1e-4, rtol=1e-4)
    assert (plain[0] == kept[0]).float().mean() > 0.999


def test_states_are_taken_apart_one_by_one(rng):
    made, x = a_pursuit(rng), states(rng, 300)
    torch.testing.assert_close(made.encode(x)[250:], made.encode(x[250:]), atol=1e-4, rtol=1e-4)
    assert made.encode(x[:0]).shape == (0, 40)


def test_it_stops_at_its_tolerance(rng):
    x = states(rng)
    many = (a_pursuit(rng, k=12).encode(x) != 0).sum(1)
    loose = a_pursuit(rng, k=12, tolerance=2.0)
    few = (loose.encode(x) != 0).sum(1)
    assert (few <= many).all() and few.sum() < many.sum()
    left = (x - torch.tensor(loose.bias) - loose.encode(x) @ torch.tensor(loose.decoder)).norm(dim=1)
    assert (left[few < 6] <= 2.0 + 1e-5).all()


def test_nothing_explains_nothing(rng):
    made = a_pursuit(rng)
    assert not made.encode(torch.tensor(made.bias)[None]).any()


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"k": 0}, "k >= 1"),
        ({"tolerance": -1.0}, "tolerance >= 0"),
        ({"tolerance": float("nan")}, "tolerance"),
    ],
)
def test_settings_that_make_no_sense_are_refused(rng, fields, match):
    with pytest.raises(AnalysisError, match=match):
        a_pursuit(rng, **fields)


def test_directions_that_make_no_dictionary_are_refused(rng, unchecked):
    good = a_pursuit(rng)
    with pytest.raises(AnalysisError, match="length 1"):
        MatchingPursuit("p", Site(2), good.decoder * 2, good.bias, 2)
    with pytest.raises(AnalysisError, match="not finite"):
        MatchingPursuit("p", Site(2), good.decoder * np.float32(np.nan), good.bias, 2)
    with pytest.raises(AnalysisError, match="bias as long"):
        MatchingPursuit("p", Site(2), good.decoder, good.bias[:-1], 2)


def test_another_model_is_refused(rng, toy):
    with pytest.raises(AnalysisError, match="was made for"):
        a_pursuit(rng, model="something else").require_fit(toy)
    with pytest.raises(AnalysisError, match="reads 8 numbers"):
        a_pursuit(rng, width=8).require_fit(toy)


def test_its_name_changes_with_everything_that_decides(rng):
    names = {
        a_pursuit(rng).fingerprint,
        a_pursuit(rng, k=5).fingerprint,
        a_pursuit(rng, tolerance=1.0).fingerprint,
    }
    assert len(names) == 3
    assert a_pursuit(rng).fingerprint == a_pursuit(rng).fingerprint
