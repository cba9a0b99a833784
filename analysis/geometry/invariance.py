"""Whether noisy copies of a text stay together: three measures on pairs or sets of views."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64
from scipy.linalg import cholesky, solve_triangular
from scipy.special import logsumexp

from analysis.errors import AnalysisError
from analysis.geometry.entropy import renyi, unit_rows

DRAWS = 10
"""Permutations over which the entropy of unrelated views is averaged."""


@dataclass(frozen=True)
class Contrast:
    """How well a text's view is told from all other views by cosine."""

    loss: float
    """Mean -ln of the softmax share of the text's other view, in nats."""
    bound: float
    """ln of the number of candidates, less the loss: nats that the views share, at least about so much."""
    found: float
    """Share of views whose nearest other view is that of the same text, 0 to 1."""


def infonce(
    views: Float32[np.ndarray, "text view d_model"], tau: float = 0.1, centred: bool = False
) -> Contrast:
    """InfoNCE loss of the first two views of every text, and the bound on their mutual information.

    Every view is compared with the text's other view and with both views of all other texts: 2N - 1 candidates.

    Args:
        views: mean states of noisy copies.
        tau: temperature that divides the cosines.
        centred: subtract the mean of all views first.

    Raises:
        AnalysisError: a state is zero, so that it has no cosine.

    Source: van den Oord et al. 2018, arXiv 1807.03748; this form: Chen et al. 2020, arXiv 2002.05709; on layers:
        Skean et al. 2025, arXiv 2502.02013.
    Misleads when: all states share a large mean: all cosines are then near 1 and the bound near 0. The bound never
        exceeds ln(2N - 1), however much is shared.
    """
    count = len(views)
    rows = _unit(np.concatenate([views[:, 0], views[:, 1]]).astype(np.float64), centred)
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -np.inf)
    mine = np.roll(np.arange(2 * count), count)
    own = cosines[np.arange(2 * count), mine]
    loss = float((logsumexp(cosines / tau, axis=1) - own / tau).mean())
    return Contrast(loss, float(np.log(2 * count - 1) - loss), float((cosines.argmax(1) == mine).mean()))


@dataclass(frozen=True)
class Matching:
    """What two sets of views have in common, beyond what any pairing of them would."""

    gain: float
    """Mean joint entropy of shuffled pairs less that of true pairs, in nats."""
    spread: float
    """Standard deviation over the shuffles, in nats."""


def dime(
    views: Float32[np.ndarray, "text view d_model"],
    kernel: str = "gaussian",
    centred: bool = False,
    seed: int = 0,
    draws: int = DRAWS,
) -> Matching:
    """Difference of matrix entropies between views that are paired at random and views of the same text.

    The joint entropy of two sets is that of the element-wise product of their similarities. If copies of a text
    belong together the product is close to one set's own similarities; pairing them at random makes it less regular.

    Args:
        views: mean states of noisy copies; the first two are compared.
        kernel: `gaussian` (the median distance as its width) or `linear` (cosines).
        centred: subtract each view's mean first; distances do not notice.
        seed: of the permutations.
        draws: how many.

    Raises:
        AnalysisError: half of all pairs of states coincide, or a state is zero.

    Source: Skean et al. 2023, arXiv 2301.08164; on layers: Skean et al. 2025, arXiv 2502.02013.
    Misleads when: cosines share a large mean: every product is then nearly constant, and nothing is left to gain.
        Few shuffles leave the value uncertain by their spread.
    """
    first, second = (similarities(views[:, view], kernel, centred) for view in (0, 1))
    random = np.random.default_rng(seed)
    shuffled = np.array([_joint(first, _permuted(second, random)) for _ in range(draws)])
    return Matching(float(shuffled.mean() - _joint(first, second)), float(shuffled.std()))


def similarities(
    states: Float32[np.ndarray, "text d_model"], kernel: str, centred: bool = False
) -> Float64[np.ndarray, "text text"]:
    """Similarities of states with one another; 1 of each with itself.

    Args:
        states: one row per text.
        kernel: `gaussian` (the median distance as its width) or `linear` (cosines).
        centred: subtract the mean first.

    Raises:
        AnalysisError: half of all pairs of states coincide, a state is zero, or there is no such kernel.
    """
    rows = states.astype(np.float64)
    if kernel == "linear":
        unit = _unit(rows, centred)
        return unit @ unit.T
    if kernel != "gaussian":
        raise AnalysisError(f"{kernel!r} is no kernel; there are gaussian and linear.")
    rows = rows - rows.mean(0)
    squares = (rows**2).sum(1)
    distances = np.maximum(squares[:, None] + squares - 2 * (rows @ rows.T), 0)
    width = float(np.median(distances[~np.eye(len(rows), dtype=bool)]))
    if width <= 1e-12 * squares.max(initial=0.0):
        raise AnalysisError("At least half of all pairs of mean states coincide, so distances have no scale.")
    found = np.exp(-distances / (2 * width))
    np.fill_diagonal(found, 1.0)
    return found


@dataclass(frozen=True)
class Discrimination:
    """Over how many directions texts differ, measured against what noise does."""

    rank: float
    """1 to the number of texts less one, or d_model."""
    freedom: float
    """Texts times copies less one, for each number of a state: under 1 the noise is not known in every direction."""


def lidar(
    views: Float32[np.ndarray, "text view d_model"], delta: float = 1e-4, relative: bool = True
) -> Discrimination:
    """Effective rank of the differences between texts after directions are scaled by the noise within texts.

    Args:
        views: mean states of noisy copies; all count.
        delta: added to the variance of the noise in every direction.
        relative: `delta` is a share of the mean variance of a number of the states, so that layers of long states are
            treated as those of short ones; otherwise it is in squared units of the states, as in the paper.

    Raises:
        AnalysisError: the mean states of all texts are equal.

    Source: Thilak et al. 2023, arXiv 2312.04000; on layers: Skean et al. 2025, arXiv 2502.02013.
    Misleads when: it is read as a signal-to-noise ratio: pure noise has a high rank, too. With fewer texts times
        copies than numbers of a state the noise is unknown in some directions, and delta decides the answer.
    """
    wide = views.astype(np.float64)
    count, copies, width = wide.shape
    means = wide.mean(1)
    between = (means - means.mean(0)) / np.sqrt(count)
    inside = (wide - means[:, None]).reshape(-1, width) / np.sqrt(count * copies)
    variance = ((between**2).sum() + (inside**2).sum()) / width
    if not (between**2).sum() > 1e-14 * ((means**2).sum() / count):
        raise AnalysisError("The mean states of all texts are equal here, so nothing tells them apart.")
    noise = inside.T @ inside + (delta * variance if relative else delta) * np.eye(width)
    scaled = solve_triangular(cholesky(noise, lower=True), between.T, lower=True)
    products = scaled.T @ scaled if count <= width else scaled @ scaled.T
    eigenvalues = np.linalg.eigvalsh(products)
    eigenvalues[eigenvalues <= len(products) * np.finfo(np.float64).eps * eigenvalues[-1]] = 0
    return Discrimination(float(np.exp(renyi(eigenvalues, 1.0))), count * (copies - 1) / width)


@dataclass(frozen=True, eq=False)
class Cosines:
    """Cosines between first and second views."""

    same: Float64[np.ndarray, " text"]
    """Of the two views of each text, -1 to 1."""
    other: Float64[np.ndarray, "text text"]
    """Of every text's first view and every text's second; `same` is its diagonal."""


def view_cosines(views: Float32[np.ndarray, "text view d_model"], centred: bool = False) -> Cosines:
    """How near the first two views of a text are, beside views of different texts.

    Args:
        views: mean states of noisy copies.
        centred: subtract the mean of all views first.

    Raises:
        AnalysisError: a state is zero.
    """
    count = len(views)
    rows = _unit(np.concatenate([views[:, 0], views[:, 1]]).astype(np.float64), centred)
    every = np.clip(rows[:count] @ rows[count:].T, -1, 1)
    return Cosines(np.diagonal(every).copy(), every)


def _unit(rows: Float64[np.ndarray, "row d_model"], centred: bool) -> Float64[np.ndarray, "row d_model"]:
    if centred:
        rows = rows - rows.mean(0)
    if not (rows**2).sum(1).all():
        raise AnalysisError("A mean state is zero here, so it has no direction to compare.")
    return unit_rows(rows)


def _permuted(
    matrix: Float64[np.ndarray, "text text"], random: np.random.Generator
) -> Float64[np.ndarray, "text text"]:
    order = random.permutation(len(matrix))
    return matrix[np.ix_(order, order)]


def _joint(first: Float[np.ndarray, "text text"], second: Float[np.ndarray, "text text"]) -> float:
    """Entropy in nats of two sets of similarities together."""
    return renyi(np.maximum(np.linalg.eigvalsh(first * second), 0), 1.0)
