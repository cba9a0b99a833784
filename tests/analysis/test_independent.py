"""Independent components: sources come back, Gaussian numbers are called what they are, nothing is hidden."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import FastICA

from analysis.dictionaries.without_training.independent import (
    excess_kurtosis,
    fast_ica,
    geometric_median,
    independent,
    matched,
)
from analysis.edits import Site
from analysis.errors import AnalysisError, Cancelled

SITE = Site(1)


def mixed(rng, sources=20, points=5_000, seed=0):
    """Laplace sources, and states that hold them mixed."""
    drawn = rng(seed).laplace(size=(points, sources))
    return drawn, (drawn @ rng(seed + 1).standard_normal((sources, sources))).astype(np.float32)


def correlated(one, other):
    """Best |correlation| of every column of `other` with one of `one`."""
    count = one.shape[1]
    return np.abs(np.corrcoef(one.T, other.T)[:count, count:]).max(0)


@pytest.mark.parametrize("unit_rows", [True, False])
def test_twenty_laplace_sources_come_back(rng, unit_rows):
    sources, states = mixed(rng)
    made = independent(states, SITE, 20, unit_rows=unit_rows)
    found = made.encode(torch.from_numpy(states)).numpy()
    assert correlated(found, sources).mean() > 0.98
    assert made.card["settled"] and not made.card["warning"]
    assert made.card["stable"] >= (0.7 if unit_rows else 1)  # lengths that differ blur the sources


def test_it_finds_what_sklearn_finds(rng):
    _, states = mixed(rng)
    other = FastICA(whiten="unit-variance", random_state=0).fit_transform(states.astype(np.float64))
    made = independent(states, SITE, 20, unit_rows=False)
    assert correlated(made.encode(torch.from_numpy(states)).numpy(), other).min() > 0.999


def test_features_have_mean_0_and_variance_1_and_point_to_their_longer_tail(rng):
    drawn = rng(2).exponential(size=(4_000, 6)) * np.array([1, -1, 1, -1, 1, -1])
    states = (drawn @ rng(3).standard_normal((6, 6))).astype(np.float32)
    made = independent(states, SITE, 6)
    found = made.encode(torch.from_numpy(states)).numpy().astype(np.float64)
    assert found.mean(0) == pytest.approx(np.zeros(6), abs=1e-3)
    assert found.std(0) == pytest.approx(np.ones(6), abs=1e-3)
    assert ((found**3).mean(0) > 0.5).all()


def test_the_most_heavy_tailed_axis_comes_first_and_decoding_undoes_encoding(rng):
    drawn = np.column_stack(
        [rng(4).uniform(size=5_000), rng(5).laplace(size=5_000), rng(6).standard_t(5, 5_000)]
    )
    states = (drawn @ rng(7).standard_normal((3, 3))).astype(np.float32)
    made = independent(states, SITE, 3, unit_rows=False)
    assert made.card["kurtosis"] == sorted(made.card["kurtosis"], reverse=True)
    assert made.card["kurtosis"][-1] == pytest.approx(-1.2, abs=0.1)  # a uniform number's
    x = torch.from_numpy(states)
    assert made.decode(made.encode(x)).numpy() == pytest.approx(states, abs=1e-3)


def test_gaussian_states_are_called_gaussian(rng):
    states = (rng(8).standard_normal((5_000, 12)) @ rng(9).standard_normal((12, 12))).astype(np.float32)
    made = independent(states, SITE, 12, unit_rows=False)
    assert np.abs(made.card["kurtosis"]).max() < 1
    assert "as good as Gaussian" in made.card["warning"] and made.card["stable"] < 0.5


def test_a_fit_that_has_not_settled_says_so(rng):
    _, states = mixed(rng, 6, 800)
    white = np.linalg.svd(states - states.mean(0), full_matrices=False)[0] * np.sqrt(len(states))
    early = fast_ica(np.ascontiguousarray(white, np.float32), 0, most=1)
    assert early.iterations == 1 and early.unsettled > 0
    assert early.axes.T @ early.axes == pytest.approx(np.eye(6), abs=1e-5)


def test_one_far_state_moves_a_mean_and_not_the_geometric_median(rng):
    states = rng(10).standard_normal((300, 5)).astype(np.float32)
    states[0] = 25_000
    assert np.linalg.norm(states.mean(0)) > 100
    assert np.linalg.norm(geometric_median(states)) < 0.4


def test_the_geometric_median_of_a_line_is_its_median():
    line = np.array([[0, 0], [1, 0], [2, 0], [3, 0], [100, 0]], np.float32)
    assert geometric_median(line, 2_000) == pytest.approx([2, 0], abs=1e-2)


def test_partners_are_dealt_one_to_one(rng):
    axes = np.linalg.qr(rng(11).standard_normal((7, 7)))[0].astype(np.float32)
    turned = (axes * np.array([1, -1, 1, 1, -1, 1, 1], np.float32))[:, [3, 1, 0, 6, 5, 2, 4]]
    assert matched(axes, np.ascontiguousarray(turned)) == pytest.approx(np.ones(7), abs=1e-6)


def test_kurtosis_of_known_numbers():
    flips = np.array([[-1.0], [1.0]] * 50, np.float32)
    rare = np.zeros((100, 1), np.float32)
    rare[:2] = 1
    axis = np.ones((1, 1), np.float32)
    assert excess_kurtosis(flips, axis) == pytest.approx([-2])
    assert excess_kurtosis(rare, axis) == pytest.approx(
        [1 / (0.02 * 0.98) - 6]
    )  # of a coin that falls 2 % heads


def test_the_same_seed_gives_the_same_dictionary(rng):
    _, states = mixed(rng, 5, 1_000)
    assert independent(states, SITE, 5).fingerprint == independent(states, SITE, 5).fingerprint


def test_one_component_and_too_many_are_refused(rng):
    _, states = mixed(rng, 5, 100)
    with pytest.raises(AnalysisError, match="at least 2; given 1"):
        independent(states, SITE, 1)
    with pytest.raises(AnalysisError, match="given 6"):
        independent(states, SITE, 6)


def test_it_stops_when_asked(rng):
    _, states = mixed(rng, 5, 500)

    def stop(message, done=0, total=None):
        raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        independent(states, SITE, 5, report=stop)
