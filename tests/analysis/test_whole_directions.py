"""The spectrum of directions beside Gaussian rows, and their map beside random directions."""

import numpy as np
import pytest

from analysis import AnalysisError
from analysis.dictionaries.whole.atlas import atlas, nearest, random_directions
from analysis.dictionaries.whole.spectrum import decoder_spectrum


def test_gaussian_rows_have_the_spectrum_of_gaussian_rows(rng):
    found = decoder_spectrum(rng(0).standard_normal((600, 40)).astype(np.float32))
    assert found.fit.slope == pytest.approx(np.mean(found.random_slopes), abs=0.03)
    assert found.effective_rank == pytest.approx(np.mean(found.random_ranks), rel=0.03)
    assert found.eigenvalues.sum() == pytest.approx(1) and found.overlaps.mean_square == pytest.approx(
        1 / 40, rel=0.1
    )


def test_a_planted_power_law_is_found(rng):
    random = rng(1)
    turn = np.linalg.qr(random.standard_normal((60, 60)))[0]
    scale = np.arange(1, 61) ** -0.6
    found = decoder_spectrum(((random.standard_normal((4000, 60)) * scale) @ turn).astype(np.float32))
    assert found.fit.slope == pytest.approx(1.2, abs=0.1) and found.fit.r2 > 0.98
    assert found.effective_rank < 0.5 * min(found.random_ranks)


def test_more_rows_of_the_same_kind_do_not_change_shares(rng):
    rows = rng(2).standard_normal((500, 20)).astype(np.float32)
    one, twice = decoder_spectrum(rows), decoder_spectrum(np.vstack([rows, rows]))
    np.testing.assert_allclose(one.eigenvalues, twice.eigenvalues, atol=1e-6)


def test_a_map_by_principal_components_keeps_planted_groups_and_its_twin_has_none(rng):
    random = rng(3)
    centres = np.linalg.qr(random.standard_normal((30, 3)))[0].T * 5
    group = np.repeat(np.arange(3), 40)
    rows = (centres[group] + 0.3 * random.standard_normal((120, 30))).astype(np.float32)
    own, twin = atlas(rows, "pca"), atlas(rows, "pca", twin=True)
    gaps = np.linalg.norm(own.coordinates[:, None] - own.coordinates[None], axis=2)
    same = group[:, None] == group[None]
    assert gaps[same].mean() < 0.2 * gaps[~same].mean()
    assert own.quality.explained > 0.8 > 0.2 > twin.quality.explained
    assert own.quality.kept > twin.quality.kept + 0.1


def test_length_of_a_direction_does_not_move_its_point(rng):
    rows = rng(4).standard_normal((50, 8)).astype(np.float32)
    longer = rows * rng(5).uniform(0.5, 3, (50, 1)).astype(np.float32)
    np.testing.assert_allclose(atlas(rows, "pca").coordinates, atlas(longer, "pca").coordinates, atol=1e-4)


def test_random_directions_have_length_one_and_no_preferred_direction():
    rows = random_directions(2000, 10)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert np.abs(rows.mean(0)).max() < 0.03


def test_nearest_directions_by_hand():
    rows = np.array([[1, 0], [3, 4], [0, 2], [-1, 0]], np.float32)
    assert [each for each, _ in nearest(rows, 0)] == [1, 2, 3]
    assert [cosine for _, cosine in nearest(rows, 0)] == pytest.approx([0.6, 0, -1])


def test_an_unknown_projection_is_refused_in_words(rng):
    with pytest.raises(AnalysisError, match="umap or pca"):
        atlas(rng(6).standard_normal((20, 4)).astype(np.float32), "tsne")
