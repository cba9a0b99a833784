"""Principal components as a dictionary: exact on planted data, signs fixed, refused where there are too few states."""

import numpy as np
import pytest
import torch

from analysis.dictionaries.without_training.principal import principal
from analysis.edits import Site
from analysis.errors import AnalysisError

SITE = Site(2)


def planted(rng, points=400, width=11, lengths=(5.0, 3.0, 1.0)):
    """States that vary along three known axes only, around a mean."""
    axes = np.linalg.qr(rng(0).standard_normal((width, len(lengths))))[0].T
    amounts = rng(1).standard_normal((points, len(lengths))) * np.array(lengths)
    mean = rng(2).standard_normal(width)
    return (amounts @ axes + mean).astype(np.float32), axes


def test_planted_axes_come_back_in_order_of_variance(rng):
    states, axes = planted(rng)
    made = principal(states, SITE, 3)
    assert np.abs(made.decoder @ axes.T) == pytest.approx(np.eye(3), abs=0.12)
    assert sorted(made.card["variance"], reverse=True) == made.card["variance"]
    assert made.card["explained"] == pytest.approx(1, abs=1e-6)


def test_all_components_rebuild_every_state_and_fewer_do_not(rng):
    states, _ = planted(rng)
    x = torch.from_numpy(states)
    whole, part = principal(states, SITE, 3), principal(states, SITE, 2)
    assert whole.decode(whole.encode(x)).numpy() == pytest.approx(states, abs=1e-4)
    left = np.square(part.decode(part.encode(x)).numpy() - states).sum()
    assert left / np.square(states - states.mean(0)).sum() == pytest.approx(
        1 - part.card["explained"], rel=1e-3
    )


def test_the_shares_of_variance_are_those_of_a_singular_value_decomposition(rng):
    states = rng(3).standard_normal((300, 7)).astype(np.float32) * np.arange(1, 8, dtype=np.float32)
    lengths = np.linalg.svd(states - states.mean(0), compute_uv=False) ** 2
    assert principal(states, SITE, 7).card["variance"] == pytest.approx(lengths / lengths.sum(), rel=1e-4)


def test_coordinates_are_uncorrelated_and_directions_orthonormal(rng):
    states = (rng(4).standard_normal((500, 9)) @ rng(5).standard_normal((9, 9))).astype(np.float32)
    made = principal(states, SITE, 5)
    assert made.decoder @ made.decoder.T == pytest.approx(np.eye(5), abs=1e-5)
    together = np.corrcoef(made.encode(torch.from_numpy(states)).numpy().T)
    assert together == pytest.approx(np.eye(5), abs=1e-3)
    assert made.signed


def test_the_largest_loading_is_positive_and_a_second_fit_is_the_same(rng):
    states, _ = planted(rng)
    made, again = principal(states, SITE, 3), principal(states, SITE, 3)
    assert (made.decoder[np.arange(3), np.abs(made.decoder).argmax(1)] > 0).all()
    assert made.fingerprint == again.fingerprint


def test_the_bias_is_the_mean(rng):
    states, _ = planted(rng)
    assert principal(states, SITE, 1).bias == pytest.approx(states.mean(0), abs=1e-5)


def test_more_components_than_there_are_is_refused_with_the_numbers(rng):
    states, _ = planted(rng)
    with pytest.raises(AnalysisError, match="1 to 3 components; given 4"):
        principal(states, SITE, 4)
    with pytest.raises(AnalysisError, match="1 to 4 components; given 5"):
        principal(rng(0).standard_normal((5, 8)).astype(np.float32), SITE, 5)


def test_states_that_are_all_the_same_are_refused():
    with pytest.raises(AnalysisError, match="All states are the same"):
        principal(np.ones((20, 4), np.float32), SITE, 1)
