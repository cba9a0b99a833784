"""Laws of the curves over strength, on numbers made up for the purpose."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import tradeoff
from analysis.errors import AnalysisError
from analysis.methods.dose import SMALL, STRENGTHS

S = np.array(STRENGTHS)
ZERO = STRENGTHS.index(0)


def curves(a=6.0, b=5.0, base=4.0):
    """Effect and perplexity whose effect per perplexity is exactly tanh(a s) exp(-b s²)."""
    return np.tanh(a * S), base * np.exp(b * S**2)


def at_zero(effect, perplexity):
    return float(effect[ZERO]), float(perplexity[ZERO])


def fitted(effect, perplexity):
    return tradeoff.guidance(STRENGTHS, effect, perplexity, at_zero(effect, perplexity))


# guidance


def test_the_effect_per_perplexity_by_hand():
    found = tradeoff.normalised_effect(np.array([1.0, 3.0]), np.array([2.0, 8.0]), (1.0, 2.0))
    assert found == pytest.approx([0.0, 2 / 4])


def test_a_curve_of_the_right_shape_is_recovered():
    found = fitted(*curves())
    assert (found.a, found.b, found.c) == pytest.approx((6, 5, 0), abs=1e-4)
    assert found.r2 == pytest.approx(1, abs=1e-8)
    exact = np.tanh(6 * S) * np.exp(-5 * S**2)
    assert found.score == pytest.approx(exact.max() - exact.min(), rel=1e-5)


def test_the_effect_per_perplexity_is_0_at_0():
    effect, perplexity = curves()
    assert tradeoff.normalised_effect(effect, perplexity, at_zero(effect, perplexity))[ZERO] == 0


@given(st.floats(-3, 3), st.floats(0.5, 20))
def test_a_constant_effect_guides_nothing(level, base):
    found = fitted(np.full(len(S), level), curves(base=base)[1])
    assert found.score == pytest.approx(0, abs=1e-9)
    assert math.isnan(found.r2)


@given(st.floats(-5, 5), st.floats(0.5, 3))
def test_an_effect_is_a_difference_and_a_perplexity_a_ratio(shift, factor):
    effect, perplexity = curves()
    effect = effect + 0.3 * np.sin(20 * S)  # no perfect fit
    plain, moved = fitted(effect, perplexity), fitted(effect + shift, perplexity * factor)
    assert [moved.score, moved.a, moved.b, moved.c, moved.r2] == pytest.approx(
        [plain.score, plain.a, plain.b, plain.c, plain.r2], rel=1e-4, abs=1e-6
    )
    assert plain.r2 < 0.999


def test_a_mirrored_direction_gives_the_mirrored_curve():
    effect, perplexity = curves()
    effect = effect + 0.3 * np.cos(9 * S)
    perplexity = perplexity * np.exp(0.2 * S)
    plain, mirrored = fitted(effect, perplexity), fitted(effect[::-1], perplexity[::-1])
    assert mirrored.a == pytest.approx(-plain.a, rel=1e-4)
    assert [mirrored.score, mirrored.b, mirrored.c, mirrored.r2] == pytest.approx(
        [plain.score, plain.b, plain.c, plain.r2], rel=1e-4, abs=1e-6
    )


def test_noise_that_is_no_curve_has_a_low_r2(rng):
    found = fitted(rng(0).normal(size=len(S)), np.full(len(S), 4.0))
    assert found.r2 < 0.6


def test_growth_is_read_where_text_is_readable_only():
    effect, perplexity = curves(b=5)
    broken = perplexity.copy()
    broken[[0, -1]] = 1e5  # beyond 2,000, and not on the curve
    assert fitted(effect, broken).b == pytest.approx(5, rel=1e-6)


def test_too_few_points_say_so():
    effect, perplexity = curves()
    for spoiled in (np.where(np.abs(S) < 0.1, effect, np.nan), np.full(len(S), np.nan)):
        with pytest.raises(AnalysisError, match=r"needs 4 strengths .* there are [03] of 13"):
            tradeoff.guidance(STRENGTHS, spoiled, perplexity, (0.0, 4.0))
    with pytest.raises(AnalysisError, match="Choose smaller strengths"):
        tradeoff.guidance(STRENGTHS, effect, perplexity * 1e4, (0.0, 4e4))


# small pushes


def test_slopes_and_constants_are_recovered():
    s = np.array(SMALL)
    found = tradeoff.gain(SMALL, 30 * s**2, -4 * s)
    assert found.strengths == SMALL[:3]
    assert (found.kl_slope, found.odds_slope) == pytest.approx((2, 1))
    assert (found.per_strength, found.cost) == pytest.approx((-4, 30))
    assert found.fits


def test_other_laws_do_not_fit():
    s = np.array(SMALL)
    assert not tradeoff.gain(SMALL, 30 * s**1.8, 4 * s).fits
    assert not tradeoff.gain(SMALL, 30 * s**2, 4 * s**1.2).fits
    assert tradeoff.gain(SMALL, 30 * s**1.9, 4 * s**1.05).fits


def test_what_is_rounding_is_left_out():
    s = np.array(SMALL)
    kl = np.maximum(1.0 * s**2, 2e-6)  # 6e-6 at the smallest
    found = tradeoff.gain(SMALL, kl, 1e-6 * s)
    assert found.strengths == SMALL[1:4]
    assert found.kl_slope == pytest.approx(2)
    assert found.odds_slope is None
    assert found.fits
    assert tradeoff.gain(SMALL, kl).per_strength is None


def test_nothing_above_rounding_says_so():
    with pytest.raises(AnalysisError, match=r"at most 9e-06 bits, which is rounding"):
        tradeoff.gain(SMALL, np.full(len(SMALL), 9e-6))


# broken and useful


def test_text_breaks_by_perplexity_or_by_repetition():
    perplexity, repetition = np.array([4.0, 12.0, 12.1, 4.0]), np.array([0.1, 0.1, 0.1, 0.61])
    assert tradeoff.is_broken(perplexity, repetition, 4.0, 0.1).tolist() == [False, False, True, True]
    assert tradeoff.is_broken(perplexity, repetition, 4.0, float("nan")).tolist() == [
        False,
        False,
        True,
        True,
    ]
    assert not tradeoff.is_broken(np.array([np.nan]), np.array([np.nan]), 4.0, 0.1).any()


def test_each_side_breaks_where_it_does_first():
    strengths = (-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3)
    broken = np.array([1, 0, 1, 0, 0, 1, 0], bool)
    assert tradeoff.breaks_at(strengths, broken) == (-0.1, 0.2)
    assert tradeoff.breaks_at(strengths, np.zeros(7, bool)) == (None, None)


def test_the_useful_range_is_the_longest_stretch_with_an_effect_in_text_that_holds():
    strengths = (-0.2, -0.1, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
    every = np.ones(8, bool)
    assert tradeoff.useful(strengths, every, (None, None), True) == (0.1, 0.5)
    assert tradeoff.useful(strengths, every, (-0.2, None), False) == (-0.1, -0.1)
    assert tradeoff.useful(strengths, every, (None, 0.3), True) == (0.1, 0.2)
    gap = np.array([0, 0, 0, 1, 0, 1, 1, 1], bool)
    assert tradeoff.useful(strengths, gap, (None, None), True) == (0.3, 0.5)
    assert tradeoff.useful(strengths, gap, (None, 0.4), True) == (0.1, 0.1)
    assert tradeoff.useful(strengths, ~every, (None, None), True) is None
    assert tradeoff.useful(strengths, every, (None, 0.1), True) is None
