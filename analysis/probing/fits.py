"""Linear probes for classes: nearest means and discriminants, and the one call by which any is fitted."""

import numpy as np
from jaxtyping import Float, Float64, Int

from analysis.errors import AnalysisError
from analysis.probing.linear import LinearProbe, class_means, require_classes
from analysis.probing.logistic import logistic
from analysis.probing.scaling import in_span, require_finite, scale_of
from analysis.probing.sparse import sparse


def fit(
    states: Float[np.ndarray, "example d"],
    classes: Int[np.ndarray, " label"],
    probe: str = "logistic",
) -> LinearProbe:
    """One linear probe: `logistic`, `means`, `lda` or `sparse`.

    Args:
        states: what is read from.
        classes: of every example, from 0 on.
        probe: which.

    Raises:
        AnalysisError: counts differ, there is only one class, a state is not finite, or no such probe exists.
    """
    ways = {"logistic": logistic, "means": means, "lda": lda, "sparse": sparse}
    if probe not in ways:
        raise AnalysisError(f"There is no linear probe {probe!r}; there are {', '.join(ways)}.")
    count = require_classes(states, classes)
    return ways[probe](states, classes[None], count)[0]


def means(
    states: Float[np.ndarray, "example d"], labellings: Int[np.ndarray, "task example"], count: int
) -> tuple[LinearProbe, ...]:
    """The nearest class mean wins; for two classes this is the difference of means, cut halfway.

    Probabilities take the classes for round clouds of one size: the spread within classes along the means.

    Source: Marks & Tegmark 2023, arXiv 2310.06824 (mass-mean probing).
    Misleads when: a few numbers of the state vary much more than the others: they decide what is near.
    """
    require_finite(states)
    middle = states.mean(0, dtype=np.float64)
    centred = states - middle
    return tuple(_nearest_mean(centred, middle, classes, count) for classes in labellings)


def _nearest_mean(
    centred: Float64[np.ndarray, "example d"],
    middle: Float64[np.ndarray, " d"],
    classes: Int[np.ndarray, " example"],
    count: int,
) -> LinearProbe:
    shares, centres = class_means(centred, classes, count)
    variance = _variance_along(centred, classes, centres, shares)
    weights = centres / variance
    bias = -(centres * weights).sum(1) / 2 + _log_possible(shares)
    return LinearProbe(weights, bias - weights @ middle)


def _variance_along(
    centred: np.ndarray, classes: np.ndarray, centres: np.ndarray, shares: np.ndarray
) -> float:
    """Variance within classes along the directions in which their means differ."""
    between = centres[shares > 0] - centres[shares > 0].mean(0)
    _, lengths, axes = np.linalg.svd(between, full_matrices=False)
    axes = axes[lengths > 1e-9 * max(lengths[0], 1e-300)]
    along = centred @ axes.T - (centres @ axes.T)[classes]
    return float((along**2).mean()) or 1.0 if len(axes) else 1.0


def lda(
    states: Float[np.ndarray, "example d"],
    labellings: Int[np.ndarray, "task example"],
    count: int,
    *,
    shrinkage: float | None = None,
) -> tuple[LinearProbe, ...]:
    """Linear discriminants: class means seen through the inverse of the covariance within classes.

    The covariance of standardised states is shrunk towards a multiple of the identity.

    Args:
        states: of the examples.
        labellings: one probe is fitted to each.
        count: of classes.
        shrinkage: 0 to 1; None estimates it from the examples.

    Source: Fisher 1936; shrinkage by Ledoit & Wolf 2004.
    Misleads when: classes spread differently, or examples are fewer than numbers and shrinkage does the work.
    """
    scale = scale_of(states)
    scaled, axes = in_span(scale.apply(states))
    total = scaled.T @ scaled / len(scaled)
    found = []
    for classes in labellings:
        weights, bias = _discriminants(scaled, total, states.shape[1], classes, count, shrinkage)
        found.append(LinearProbe(*scale.back(weights if axes is None else weights @ axes.T, bias)))
    return tuple(found)


def _discriminants(
    scaled: Float64[np.ndarray, "example coordinate"],
    total: Float64[np.ndarray, "coordinate coordinate"],
    width: int,
    classes: Int[np.ndarray, " example"],
    count: int,
    shrinkage: float | None,
) -> tuple[Float64[np.ndarray, "class coordinate"], Float64[np.ndarray, " class"]]:
    """Weights and bias of every class on standardised states, which have `width` numbers."""
    from scipy.linalg import solve

    shares, centres = class_means(scaled, classes, count)
    within = total - (centres.T * shares) @ centres
    level = float(np.trace(within)) / width
    if level <= 1e-12:  # nothing varies within classes
        weights = np.zeros_like(centres)
    else:
        shrunk = ledoit_wolf(scaled - centres[classes], within, width) if shrinkage is None else shrinkage
        within = (1 - shrunk) * within
        within[np.diag_indices_from(within)] += shrunk * level
        # numbers that never vary are zero in every mean; without this they would make it singular
        within[np.diag_indices_from(within)] += 1e-12 * level
        weights = solve(within, centres.T, assume_a="pos").T
    bias = np.log(np.maximum(shares, 1e-300)) - (centres * weights).sum(1) / 2 + _log_possible(shares)
    return weights, bias


def ledoit_wolf(
    residuals: Float64[np.ndarray, "example coordinate"],
    covariance: Float64[np.ndarray, "coordinate coordinate"],
    width: int,
) -> float:
    """How much a covariance is to be shrunk towards a multiple of the identity, 0 to 1.

    Args:
        residuals: states less the mean of their class.
        covariance: of the residuals.
        width: numbers of a state, where the residuals are given in the coordinates of what they span.

    Source: Ledoit & Wolf 2004, Journal of Multivariate Analysis 88.
    Misleads when: examples are not drawn independently (many of one template): it shrinks too little.
    """
    count = len(residuals)
    norm, level = float((covariance**2).sum()), float(np.trace(covariance)) / width
    spread = norm - width * level**2
    if spread <= 0:
        return 1.0
    error = (float(((residuals**2).sum(1) ** 2).sum()) / count - norm) / count
    return min(max(error / spread, 0.0), 1.0)


def _log_possible(shares: Float64[np.ndarray, " class"]) -> Float64[np.ndarray, " class"]:
    return np.where(shares > 0, 0.0, -np.inf)
