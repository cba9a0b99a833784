"""R-LACE: a game between a classifier and a projection that hides as much from it as its rank allows.

The source relaxes the projection to a soft one and lets both sides take thousands of small steps. Here the same game
is played by best answers. A classifier with a penalty can be fitted, and the projection that hides most from the
errors it leaves is known; so every round hides more than the one before, and there is no pace to tune.

Both sides work on standardised states: else the numbers that vary most would decide.
"""

import numpy as np
from jaxtyping import Float, Float64, Int

from analysis.erasers.eraser import RELATIVE, Eraser
from analysis.erasers.judging import Trial, trial
from analysis.erasers.moments import moments_of, one_hot
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent

SETTLED = 1e-3
"""Radians: the game ends when a round turns the projection by less."""
FLAT = 1e-3
"""Largest slope at which the classifier's descent ends, in stretched coordinates."""
SPAN = 1e-6
"""Of the largest spread: states do not vary along a direction with less, but for rounding in float32."""


def rlace(
    states: Float[np.ndarray, "example d"],
    classes: Int[np.ndarray, " label"],
    rank: int,
    iterations: int = 150,
    *,
    penalty: float | None = None,
    report: Report = silent,
) -> Eraser:
    """Linear adversarial concept erasure with a softmax classifier, played by best answers.

    Args:
        states: of the examples.
        classes: numbered from 0 on, all of them with examples.
        rank: dimensions to take out at most, 1 to d - 1. From classes - 1 on the game is over after one round: the
            projection off the class means of standardised states leaves a classifier nothing.
        iterations: rounds at most.
        penalty: 1 / C of the classifier; None is d / 4. A weak one lets the projection turn but slowly.
        report: progress; raises `Cancelled` to stop.

    Returns:
        A projection about the mean, orthogonal between standardised states, of rank at most classes - 1.

    Raises:
        AnalysisError: states or classes cannot be learned from, or rank or iterations are out of range.
    Source: the objective of Ravfogel et al. 2022, arXiv 2201.12091, without its relaxation and its gradient steps.
    Misleads when: the rank is below classes - 1: much can remain, and another start might have hidden more. Look at
        what a fresh classifier still reads.
    """
    _require_settings(states, rank, iterations)
    moments_of(states, classes).require_difference()
    given = trial(states, classes, np.zeros(len(classes), bool), penalty=penalty)
    classifier = _Classifier(given)
    hidden, done, turned = _answer(classifier.pull(), rank), 0, np.inf
    while done < iterations and turned > SETTLED:
        report("Hiding the concept from a classifier", done, iterations)
        classifier.fit(hidden)
        before, hidden = hidden, _answer(classifier.pull(), rank)
        turned = np.linalg.norm(hidden - before @ (before.T @ hidden))
        done += 1
    return given.eraser("rlace", classifier.axes @ hidden, done)


def _answer(
    pull: Float64[np.ndarray, "coordinate class"], rank: int
) -> Float64[np.ndarray, "coordinate rank"]:
    """Axes of the projection that hides most from a classifier which leaves these errors.

    By duality a penalised fit gains what it gains by the squared length of the pull that is not hidden, so the
    directions along which the pull is longest are the ones to hide.
    """
    axes, size, _ = np.linalg.svd(pull, full_matrices=False)
    return axes[:, size > RELATIVE * size[0]][:, :rank]


class _Classifier:
    """A softmax classifier with a penalty, fitted again and again to states without ever other axes.

    It works in the states' principal coordinates, each stretched so that the loss is about equally curved along
    all of them; few steps are then left to take from where the last fit ended.
    """

    def __init__(self, given: Trial):
        _, size, axes = np.linalg.svd(given.scaled, full_matrices=False)
        kept = size > SPAN * size[0]
        self.axes = axes[kept].T
        """Principal directions (d, coordinate) of standardised states."""
        self._states = given.scaled @ self.axes
        self._own = one_hot(given.classes, given.count)
        curvature = (1 - 1 / given.count) / given.count * size[kept] ** 2
        self._stretch = 1 / np.sqrt(curvature + given.penalty)
        self._shrinking = (given.penalty * self._stretch**2)[:, None]
        self._bias_stretch = 2 / np.sqrt(len(self._own))
        shares = self._own.mean(0)
        self._errors = shares - self._own
        self._point = np.concatenate(
            [np.zeros(self._states.shape[1] * given.count), np.log(shares) / self._bias_stretch]
        )

    def pull(self) -> Float64[np.ndarray, "coordinate class"]:
        """States times the errors of the last fit; before the first, of a constant guess."""
        return self._states.T @ self._errors

    def fit(self, hidden: Float64[np.ndarray, "coordinate rank"]) -> None:
        """Fit to states without the hidden axes."""
        from scipy.optimize import minimize  # half a second that only fits need

        states = self._states * self._stretch
        states -= (self._states @ hidden) @ (hidden * self._stretch[:, None]).T
        options = {"maxiter": 1000, "maxfun": 2000, "maxcor": 20, "gtol": FLAT, "ftol": 1e-15}
        found = minimize(
            lambda point: self._loss(states, point), self._point, jac=True, method="L-BFGS-B", options=options
        )
        self._point = found.x
        self._errors = _shares(self._logits(states, found.x)) - self._own

    def _loss(self, states: np.ndarray, point: np.ndarray) -> tuple[float, np.ndarray]:
        """Value and slope; the point is weights (coordinate, class) and bias, both in stretched coordinates."""
        logits = self._logits(states, point)
        weights = self._weights(point)
        wrong = _shares(logits) - self._own
        top = logits.max(1)
        surprise = np.log(np.exp(logits - top[:, None]).sum(1)) + top - (logits * self._own).sum(1)
        shrunk = self._shrinking * weights
        slope = [(states.T @ wrong + shrunk).reshape(-1), wrong.sum(0) * self._bias_stretch]
        return float(surprise.sum() + (weights * shrunk).sum() / 2), np.concatenate(slope)

    def _logits(self, states: np.ndarray, point: np.ndarray) -> Float64[np.ndarray, "example class"]:
        return states @ self._weights(point) + point[-self._own.shape[1] :] * self._bias_stretch

    def _weights(self, point: np.ndarray) -> Float64[np.ndarray, "coordinate class"]:
        return point[: -self._own.shape[1]].reshape(-1, self._own.shape[1])


def _shares(logits: Float64[np.ndarray, "example class"]) -> Float64[np.ndarray, "example class"]:
    shares = np.exp(logits - logits.max(1, keepdims=True))
    return shares / shares.sum(1, keepdims=True)


def _require_settings(states: np.ndarray, rank: int, iterations: int) -> None:
    if states.ndim != 2 or not 1 <= rank < states.shape[1]:
        raise AnalysisError(
            f"R-LACE takes out 1 to d - 1 dimensions of states (example, d); given rank {rank} and states of shape "
            f"{states.shape}."
        )
    if iterations < 1:
        raise AnalysisError(f"R-LACE needs at least 1 iteration; given {iterations}.")
