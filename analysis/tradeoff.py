"""What strength buys and what it costs, read off curves over strength: pure numbers, no model.

Small pushes: the log-odds move in proportion to the strength, the distribution's divergence to its square. Large
ones: the concept still grows, but the text falls apart. Between them lies what can be used.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64

from analysis.errors import AnalysisError

KL_FLOOR = 1e-5
"""Bits; below this a divergence is rounding (about 1e-6 bits in float32)."""
USED = 3
"""Strengths the laws of small pushes are read from: the smallest whose divergence is above rounding."""
ODDS_FLOOR = 1e-4
"""Nats; below this a change of log-odds is rounding."""
KL_SLOPE, KL_WITHIN = 2.0, 0.15
ODDS_SLOPE, ODDS_WITHIN = 1.0, 0.1
READABLE = 2_000.0
"""Perplexity from which on a text says nothing about how perplexity grows (von Rütte et al. 2024)."""
FEWEST = 4
"""Points a guidance curve is fitted to, at least."""
BREAKS_PERPLEXITY = 3.0
"""A text is broken above this multiple of the base's perplexity."""
BREAKS_REPETITION = 0.5
"""A text is broken where more than this share of 3-grams, beyond the base's, repeats."""


@dataclass(frozen=True)
class Gain:
    """How a small push acts: what it moves and what it disturbs.

    Source: Wolf et al. 2024, arXiv 2401.16332 (linear gain, quadratic cost).
    Misleads when: it is carried over to strengths that are not small; both laws bend sooner the more a push does.
    """

    strengths: tuple[float, ...]
    """It was read from these: the smallest three at which the change is above rounding."""
    kl_slope: float
    """Of log KL over log strength; 2 where the push is small."""
    odds_slope: float | None
    """Of log |change of log-odds| over log strength; 1 where the push is small. None without words, or where
    they do not move."""
    per_strength: float | None
    """Nats of log-odds per unit of strength."""
    cost: float
    """Bits of KL per unit of strength squared."""

    @property
    def fits(self) -> bool:
        """True if both laws hold: slopes within 2 ± 0.15 and 1 ± 0.1."""
        odds = self.odds_slope is None or abs(self.odds_slope - ODDS_SLOPE) <= ODDS_WITHIN
        return odds and abs(self.kl_slope - KL_SLOPE) <= KL_WITHIN


@dataclass(frozen=True)
class Guidance:
    """How far a concept can be turned up and down before fluency eats the gain.

    The effect per perplexity, PNE = (E - E(0)) / (PPL / PPL(0)), follows (tanh(a s) + c) exp(-b s²) over
    strength s.

    Source: von Rütte et al. 2024, arXiv 2402.14433.
    Misleads when: r2 is low: then the curve has another shape, and `score` describes the curve, not the points.
    """

    score: float
    """PNES: largest minus smallest of the fitted curve on the grid; 0 where steering does nothing."""
    a: float
    """How steeply the concept rises, per unit of strength."""
    b: float
    """How fast perplexity grows: log(PPL / PPL(0)) = b s²; negative where strong pushes make text easier to predict."""
    c: float
    """Offset of the rise."""
    r2: float
    """Share of the points' variance that the curve explains, at most 1; NaN where they do not vary."""


def gain(
    strengths: Sequence[float],
    kl: Float64[np.ndarray, " strength"],
    odds: Float64[np.ndarray, " strength"] | None = None,
) -> Gain:
    """Slopes and constants of small pushes.

    Args:
        strengths: positive, small, at least two.
        kl: KL(base || edited) at each, in bits.
        odds: change of the log-odds at each, in nats.

    Raises:
        AnalysisError: fewer than two divergences lie above rounding (1e-5 bits).
    """
    clear = [i for i in np.argsort(strengths) if kl[i] > KL_FLOOR][:USED]
    if len(clear) < 2:
        raise AnalysisError(
            f"At strengths of {', '.join(f'{x:g}' for x in strengths)} the next token moves by at most "
            f"{max(kl, default=0):.1g} bits, which is rounding (below {KL_FLOOR:g}): no slope can be read. Act at "
            "another layer or on another text."
        )
    s, kl, odds = np.array(strengths, float)[clear], kl[clear], None if odds is None else odds[clear]
    moves = odds is not None and bool((np.abs(odds) > ODDS_FLOOR).all())
    return Gain(
        strengths=tuple(s.tolist()),
        kl_slope=_slope(s, kl),
        odds_slope=_slope(s, np.abs(odds)) if moves else None,
        per_strength=None if odds is None else float((s * odds).sum() / (s * s).sum()),
        cost=float((s**2 * kl).sum() / (s**4).sum()),
    )


def is_broken(
    perplexity: Float[np.ndarray, " strength"],
    repetition: Float[np.ndarray, " strength"],
    base_perplexity: float,
    base_repetition: float,
) -> Bool[np.ndarray, " strength"]:
    """True where a text is no text any more: above 3 times the base's perplexity, or 0.5 above its repetition.

    Misleads when: the base text is itself poor, or a fluent text is about something surprising.
    """
    usual = np.nan_to_num(base_repetition)  # a base too short to repeat anything repeats nothing
    return (perplexity > BREAKS_PERPLEXITY * base_perplexity) | (repetition > usual + BREAKS_REPETITION)


def breaks_at(
    strengths: Sequence[float], broken: Bool[np.ndarray, " strength"]
) -> tuple[float | None, float | None]:
    """The first broken strength below 0 and above 0, from the middle outwards; None where a side holds.

    Text beyond is taken for broken even where a number recovers: what repeats itself is easy to predict.
    """
    found = [s for s, bad in zip(strengths, broken, strict=True) if bad]
    return max((s for s in found if s < 0), default=None), min((s for s in found if s > 0), default=None)


def useful(
    strengths: Sequence[float],
    outside: Bool[np.ndarray, " strength"],
    breaks: tuple[float | None, float | None],
    upwards: bool,
) -> tuple[float, float] | None:
    """Lowest and highest strength of the longest stretch on one side that has an effect and holds.

    Args:
        strengths: ascending.
        outside: True where the effect leaves the random band in the direction of the push.
        breaks: where the text breaks, as `breaks_at` says.
        upwards: the side above 0, else the one below.

    Returns:
        None where no strength has an effect before the text breaks; of equally long stretches the weaker one.
    """
    order = [i for i, s in enumerate(strengths) if (s > 0 if upwards else s < 0)]
    order.sort(key=lambda i: abs(strengths[i]))
    end = breaks[1] if upwards else breaks[0]
    runs: list[list[float]] = [[]]
    for i in order:
        if outside[i] and (end is None or abs(strengths[i]) < abs(end)):
            runs[-1].append(strengths[i])
        else:
            runs.append([])
    longest = max(runs, key=len)
    return (min(longest), max(longest)) if longest else None


def normalised_effect(
    effect: Float64[np.ndarray, " strength"],
    perplexity: Float64[np.ndarray, " strength"],
    at_zero: tuple[float, float],
) -> Float64[np.ndarray, " strength"]:
    """(E - E(0)) / (PPL / PPL(0)) at every strength; `at_zero` is E(0) and PPL(0)."""
    return (effect - at_zero[0]) / (perplexity / at_zero[1])


def guidance(
    strengths: Sequence[float],
    effect: Float64[np.ndarray, " strength"],
    perplexity: Float64[np.ndarray, " strength"],
    at_zero: tuple[float, float],
) -> Guidance:
    """Fit the curve of effect per perplexity over positive and negative strengths.

    `b` comes from the perplexities alone, at points below 2,000; then `a` and `c` from the effects.

    Args:
        strengths: the grid.
        effect: what was elicited at each, in any unit; NaN where it is not known.
        perplexity: of the steered text under the unsteered model.
        at_zero: effect and perplexity of the unsteered text.

    Raises:
        AnalysisError: fewer than four points can be used, or no curve was found.
    """
    s = np.array(strengths, float)
    known = np.isfinite(effect) & np.isfinite(perplexity)
    readable = known & (perplexity < READABLE)
    if readable.sum() < FEWEST or not np.isfinite(at_zero).all():
        raise AnalysisError(
            f"A guidance curve needs {FEWEST} strengths at which the concept was measured in text of a perplexity "
            f"below {READABLE:,.0f}; there are {readable.sum()} of {len(s)}. Choose smaller strengths."
        )
    b = _growth(s[readable], np.log(perplexity[readable] / at_zero[1]))
    points = normalised_effect(effect[known], perplexity[known], at_zero)
    a, c = _rise(s[known], points, b)
    curve, spread = _curve(s, a, b, c), ((points - points.mean()) ** 2).sum()
    left = ((points - curve[known]) ** 2).sum()
    r2 = 1 - float(left / spread) if spread > 0 else float("nan")
    return Guidance(float(curve.max() - curve.min()), a, b, c, r2)


def _slope(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def _growth(s: np.ndarray, log_ratio: np.ndarray) -> float:
    """The b of log(PPL / PPL(0)) = b s², by least squares."""
    return float((s**2 * log_ratio).sum() / max((s**4).sum(), 1e-300))


def _curve(s: np.ndarray, a: float, b: float, c: float) -> np.ndarray:
    return (np.tanh(a * s) + c) * np.exp(-b * s**2)


def _rise(s: np.ndarray, points: np.ndarray, b: float) -> tuple[float, float]:
    """The a and c of the curve, by least squares from the straight line through the origin."""
    from scipy.optimize import least_squares  # half a second that only this needs

    start = (s * points).sum() / max((s * s).sum(), 1e-300)
    try:
        found = least_squares(lambda p: _curve(s, p[0], b, p[1]) - points, (start, 0.0), method="lm")
    except ValueError:
        found = None
    if found is None or not found.success:
        raise AnalysisError("No guidance curve follows these points. Choose more or smaller strengths.")
    return float(found.x[0]), float(found.x[1])
