"""What of a state is its place, what is its text, and what is neither."""

import numpy as np
import pytest

from analysis.errors import AnalysisError
from analysis.geometry import position as parts_of
from analysis.geometry.cloud import Cloud, standard_normal
from analysis.geometry.measures.position import POSITION, taken_apart

MEASURES = {each.id: each for each in POSITION}
C, T, WIDTH = 40, 32, 48


def cloud(states: np.ndarray, first: int = 1, kept: np.ndarray | None = None) -> Cloud:
    """Texts of equally many tokens, from place `first` on; where given, only those that are kept."""
    n_texts, length, width = states.shape
    kept = np.ones((n_texts, length), bool) if kept is None else kept
    rows = np.flatnonzero(kept.ravel())
    return Cloud(
        name="planted",
        layers=(0,),
        values=states.reshape(1, -1, width).astype(np.float32),
        rows=rows,
        text=np.repeat(np.arange(n_texts), length)[rows],
        position=np.tile(np.arange(first, first + length), n_texts)[rows],
        token=np.zeros(len(rows), np.int64),
        shown=("x",) * len(rows),
    )


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def spiral(turns: float = 1.5, grows: float = 0.0) -> np.ndarray:
    """Places on a circle, or a spiral, in two of the dimensions, centred."""
    angle = np.linspace(0, 2 * np.pi * turns, T)
    path = np.zeros((T, WIDTH))
    path[:, 0], path[:, 1], path[:, 2] = np.cos(angle), np.sin(angle), grows * np.linspace(-1, 1, T)
    return path - path.mean(0)


def planted(place: float, text: float, rest: float, seed: int = 0) -> np.ndarray:
    """A mean, a spiral of places in the first three dimensions, texts in the last ten, and noise in all."""
    texts = np.zeros((C, WIDTH))
    texts[:, -10:] = noise(seed, C, 10)
    parts = place * spiral()[None] + text * texts[:, None] + rest * noise(seed + 1, C, T, WIDTH)
    return parts + noise(seed + 2, WIDTH) * 3


def value(id: str, given: Cloud, **knobs) -> float:
    return found(id, given, **knobs).value


def found(id: str, given: Cloud, **knobs):
    each = MEASURES[id]
    params = each.params(**knobs)
    assert each.needs(given, params) == ""
    answer = each.at(given, given.layers[0], params)
    each.bounds.require(np.array([answer.value]), id)
    return answer


# parts


def test_parts_of_two_texts_by_hand():
    parts = parts_of.decomposed(np.array([[[1.0], [3.0]], [[5.0], [11.0]]]))
    assert parts.mean.tolist() == [5]
    assert parts.positions.tolist() == [[-2], [2]]
    assert parts.contexts.tolist() == [[-3], [3]]
    assert parts.rest.tolist() == [[[1], [-1]], [[-1], [1]]]
    shares = parts_of.shares(parts)
    # 2 * 8 and 2 * 18 and 4, of 16 + 4 + 0 + 36
    assert (shares.position, shares.context, shares.rest) == pytest.approx((16 / 56, 36 / 56, 4 / 56))
    assert shares.position_less_noise == pytest.approx((16 - 4) / 56)


def test_parts_add_up_and_so_do_their_squares():
    states = noise(0, C, T, WIDTH) * np.geomspace(1, 30, WIDTH) + 200
    parts = parts_of.decomposed(states)
    again = parts.mean + parts.positions[None] + parts.contexts[:, None] + parts.rest
    np.testing.assert_allclose(again, states, rtol=1e-12)
    scale = np.abs(states).max()
    for zero in (parts.positions.sum(0), parts.contexts.sum(0), parts.rest.sum(0), parts.rest.sum(1)):
        assert np.abs(zero).max() < 1e-9 * scale
    squares = C * (parts.positions**2).sum() + T * (parts.contexts**2).sum() + (parts.rest**2).sum()
    assert squares == pytest.approx(((states - states.mean((0, 1))) ** 2).sum(), rel=1e-9)


def test_shares_add_up_to_one_for_a_cloud():
    given = cloud(planted(1, 1, 1))
    three = [value(id, given) for id in ("position_share", "context_share", "residual_share")]
    assert sum(three) == pytest.approx(1) and min(three) > 0.01
    each = [found(id, given).per_point for id in ("position_share", "context_share", "residual_share")]
    np.testing.assert_allclose(sum(each), 1, rtol=1e-5)


@pytest.mark.parametrize("seed", [0, 1])
def test_noise_alone_gives_its_degrees_of_freedom(seed):
    given = cloud(noise(seed, C, T, 200))
    for id, levels, near in (("position_share", T, 1 / C), ("context_share", C, 1 / T)):
        answer = found(id, given)
        expected = (levels - 1) / (C * T - 1)
        assert answer.beside["by noise alone"] == pytest.approx(expected)
        assert answer.value == pytest.approx(expected, rel=0.08) and answer.value == pytest.approx(
            near, rel=0.12
        )
        assert abs(answer.beside["less what noise gives"]) < 0.003
    assert value("residual_share", given) == pytest.approx((T - 1) * (C - 1) / (C * T - 1), rel=0.01)


def test_planted_shares_are_found_once_noise_is_taken_off():
    """Squares per token: place 1 (a circle around its mean, nearly), texts 10 x .3^2, noise 48 x .2^2."""
    states = planted(1, 0.3, 0.2)
    place, text, rest = (spiral() ** 2).sum(1).mean(), 10 * 0.09, WIDTH * 0.04
    whole = place + text + rest
    given = cloud(states)
    assert found("position_share", given).beside["less what noise gives"] == pytest.approx(
        place / whole, abs=0.04
    )
    assert found("context_share", given).beside["less what noise gives"] == pytest.approx(
        text / whole, abs=0.06
    )


def test_shares_do_not_change_with_turning_moving_and_scaling():
    states = planted(1, 0.5, 0.4)
    turn = np.linalg.qr(noise(9, WIDTH, WIDTH))[0]
    one, other = cloud(states), cloud(states @ turn * 7 + noise(8, WIDTH))
    for id in (
        "position_share",
        "context_share",
        "residual_share",
        "position_rank",
        "position_stable_rank",
        "position_context_cosine",
    ):
        assert value(id, other) == pytest.approx(value(id, one), rel=1e-3)


def test_equal_states_have_no_shares():
    given = cloud(np.ones((C, T, 5)))
    with pytest.raises(AnalysisError, match="equal"):
        MEASURES["position_share"].at(given, 0, MEASURES["position_share"].params())


# the shape of the places


def test_a_planted_spiral_is_found_in_its_axes():
    given = cloud(planted(3, 0.5, 0.05))
    assert value("position_rank", given) == 2
    assert 1.5 < value("position_stable_rank", given) < 2
    positions = taken_apart(given, 0).positions
    np.testing.assert_allclose(positions, 3 * spiral(), atol=0.06)
    steps = parts_of.cosines(positions, positions)
    assert np.diag(steps, 1).min() > 0.9 and np.diag(steps, 10).min() < 0


def test_places_of_noise_have_a_high_rank():
    given = cloud(noise(0, C, T, 300))
    assert value("position_rank", given) > 0.8 * (T - 1)
    assert found("position_rank", given).beside["highest there can be"] == T - 1
    assert value("position_stable_rank", given) > 10


def test_ranks_by_hand():
    singular = np.array([3.0, 2.0, 1.0])
    assert parts_of.stable_rank(singular) == pytest.approx(14 / 9)
    assert [parts_of.rank(singular, energy) for energy in (0.6, 9 / 14, 0.9, 0.95, 1.0)] == [1, 1, 2, 3, 3]
    circle = spiral(turns=1) + 0
    assert parts_of.stable_rank(parts_of.spectrum(circle)) == pytest.approx(2, rel=0.1)
    line = np.outer(np.arange(5.0), [1, 2])
    assert parts_of.stable_rank(parts_of.spectrum(line)) == pytest.approx(1)


def test_the_size_of_places_is_the_ratio_of_longest_axes():
    states = planted(1, 0.5, 0.4)
    answer = found("position_norm", cloud(states))
    single = states.astype(np.float32).astype(np.float64)
    place = single.mean(0) - single.mean((0, 1))
    repeated = np.tile(place, (C, 1))
    norm = lambda table: np.linalg.norm(table, 2)  # noqa: E731
    assert answer.value == pytest.approx(norm(repeated) / norm(single.reshape(-1, WIDTH)), rel=1e-6)
    around = (single - single.mean((0, 1))).reshape(-1, WIDTH)
    assert answer.beside["around the mean"] == pytest.approx(norm(repeated) / norm(around), rel=1e-5)


def test_nothing_but_places_has_size_one_around_the_mean():
    states = np.repeat(spiral()[None], C, axis=0) + 5
    answer = found("position_norm", cloud(states))
    assert answer.beside["around the mean"] == pytest.approx(1, abs=1e-5)
    assert value("position_share", cloud(states)) == pytest.approx(1)


def test_places_and_texts_at_right_angles_and_on_one_line():
    apart = cloud(planted(1, 1, 0))
    answer = found("position_context_cosine", apart)
    assert answer.value < 1e-3 and answer.beside["between the spaces (squared)"] < 1e-5
    place, text = np.linspace(-1, 1, T)[None, :, None], np.linspace(-2, 2, C)[:, None, None]
    same = cloud((place + text) * np.ones(5) + np.zeros((C, T, 5)))
    answer = found("position_context_cosine", same)
    assert answer.value == pytest.approx(1, abs=1e-5)
    assert answer.beside["between the spaces (squared)"] == pytest.approx(1)


def test_a_normal_cloud_has_the_cosine_of_chance():
    given = standard_normal(cloud(noise(0, C, T, 300)))
    assert value("position_context_cosine", given) == pytest.approx(np.sqrt(2 / np.pi / 300), rel=0.05)


def test_random_spaces_overlap_by_their_dimension():
    overlap, chance = parts_of.subspace_overlap(noise(0, 12, 400), noise(1, 50, 400))
    assert 0.08 < chance < 0.13 and overlap == pytest.approx(chance, rel=0.15)


def test_no_difference_between_places_is_said():
    given = cloud(np.repeat(noise(0, C, 1, 6), T, axis=1))
    with pytest.raises(AnalysisError, match="do not depend on the place"):
        MEASURES["position_rank"].at(given, 0, MEASURES["position_rank"].params())


# which texts and places


def test_the_crop_is_the_run_and_the_texts_that_hold_most_tokens():
    kept = np.zeros((30, 40), bool)
    kept[:20, :25] = True  # 500 tokens
    kept[20:, :40] = True  # 10 long texts: 30 x 25 = 750 tokens for all of them
    crop = parts_of.crop(cloud(noise(0, 30, 40, 3), first=1, kept=kept))
    assert crop.points.shape == (30, 25) and crop.first == 1
    kept[:20, 12:] = False  # now 30 x 12 = 360 is less than 10 x 40
    crop = parts_of.crop(cloud(noise(0, 30, 40, 3), kept=kept))
    assert crop.points.shape == (10, 40)


def test_a_gap_leaves_out_the_text_or_the_places_before_it():
    kept = np.ones((20, 30), bool)
    kept[3, 1] = False
    given = cloud(noise(0, 20, 30, 3), first=1, kept=kept)
    crop = parts_of.crop(given)
    assert crop.points.shape == (19, 30)
    assert 3 not in given.text[crop.points]
    kept[:15, 1] = False
    crop = parts_of.crop(cloud(noise(0, 20, 30, 3), first=1, kept=kept))
    assert crop.points.shape == (20, 28) and crop.first == 3


def test_every_point_of_the_crop_is_at_its_place():
    random = np.random.default_rng(0)
    given = cloud(noise(0, 60, 30, 3), first=2, kept=random.random((60, 30)) < 0.97)
    crop = parts_of.crop(given)
    assert crop.points.shape[0] >= 8 <= crop.points.shape[1]
    places = given.position[crop.points]
    assert (places == crop.first + np.arange(crop.points.shape[1])).all()
    assert (given.text[crop.points] == given.text[crop.points[:, :1]]).all()


def test_the_crop_is_the_best_of_all_runs():
    random = np.random.default_rng(1)
    kept = random.random((25, 16)) < 0.93
    best = 0
    for first in range(16):
        for last in range(first + 7, 16):
            texts = int(kept[:, first : last + 1].all(1).sum())
            best = max(best, texts * (last - first + 1) * (texts >= 8))
    assert parts_of.crop(cloud(noise(0, 25, 16, 3), kept=kept)).points.size == best > 0


@pytest.mark.parametrize(("texts", "length"), [(7, 30), (30, 7), (1, 50)])
def test_too_few_texts_or_places_are_refused_in_words(texts, length):
    sentence = MEASURES["position_share"].needs(cloud(noise(0, texts, length, 4)), None)
    assert "at least 8 texts" in sentence and f"there are {texts} texts" in sentence
    assert f"share is {length}" in sentence


def test_points_outside_of_the_crop_have_no_share():
    kept = np.ones((20, 30), bool)
    kept[3, 1] = False
    given = cloud(noise(0, 20, 30, 3), kept=kept)
    assert np.isnan(found("context_share", given).per_point).sum() == 29
    assert found("context_share", given).beside["texts used"] == 19
