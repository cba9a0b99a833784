"""Logistic probes: several labellings of the same states are fitted at once, by one quasi-Newton descent.

The probe, its shuffled copies and its control differ in nothing but labels. So the states are standardised,
turned and stretched once, until the loss is about equally curved everywhere; few steps are left to take.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int

from analysis.errors import AnalysisError
from analysis.probing.linear import LinearProbe
from analysis.probing.scaling import in_span, scale_of

STEPS = 1000
FLAT = 1e-4
"""Largest slope at which the descent ends, in stretched coordinates; weights are then right to about 1e-5."""
NOTHING = 1e-7
"""Nats an example: a probe that gains less over a constant has found rounding, and the constant is taken."""
ABSENT = -1e4
"""Score of a class that no example has: its bias would otherwise fall for ever."""


def logistic(
    states: Float[np.ndarray, "example d"],
    labellings: Int[np.ndarray, "task example"],
    count: int,
    *,
    penalty: float | None = None,
    balanced: bool = False,
) -> tuple[LinearProbe, ...]:
    """Logistic regression on standardised states; softmax over classes where there are more than two.

    Minimises the sum of the examples' losses and penalty / 2 times the squared weights; the bias is free.

    Args:
        states: of the examples.
        labellings: classes from 0 on; one probe is fitted to each.
        count: of classes.
        penalty: 1 / C of scikit-learn; None is d / 4, which shrinks as much as a ridge penalty of d does, because
            the loss is a quarter as curved at even odds as a squared error.
        balanced: let every class weigh the same, however many examples it has.

    Raises:
        AnalysisError: a state is not finite, or the descent did not arrive.
    Source: Alain & Bengio 2016, arXiv 1610.01644.
    Misleads when: it is read as what the model uses: a probe finds what can be read, used or not.
    """
    from scipy.optimize import minimize  # half a second that only fits need

    scale = scale_of(states)
    penalty = penalty or states.shape[1] / 4
    frame = _frame(scale.apply(states), penalty, 1 / count * (1 - 1 / count))
    columns = 1 if count == 2 else count
    loss = _Loss(frame, labellings, count, balanced)
    start = np.zeros((len(frame.states.T) + 1) * columns * len(labellings))
    options = {"maxiter": STEPS, "maxfun": 2 * STEPS, "maxcor": 20, "gtol": FLAT, "ftol": 1e-15}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options=options)
    if not np.isfinite(found.x).all() or found.nit >= STEPS:
        raise AnalysisError(
            f"The logistic probe did not settle within {STEPS:,} steps. Choose a stronger penalty than {penalty:g}."
        )
    weights, bias = loss.taken_apart(found.x)
    idle = loss.gains(found.x) < NOTHING * len(states)
    weights = (frame.back @ weights).reshape(-1, len(labellings), columns).transpose(1, 2, 0)
    bias = (bias + loss.offset).reshape(len(labellings), columns)
    weights[idle], bias[idle] = 0.0, loss.constants()[idle]
    return tuple(LinearProbe(*_each_class(*scale.back(w, b))) for w, b in zip(weights, bias, strict=True))


def _each_class(
    weights: Float64[np.ndarray, "column d"], bias: Float64[np.ndarray, " column"]
) -> tuple[Float64[np.ndarray, "class d"], Float64[np.ndarray, " class"]]:
    """One row for every class, where one for the second of two classes may be given."""
    if len(weights) > 1:
        return weights, bias
    return np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2


@dataclass(frozen=True, eq=False)
class _Frame:
    """States in coordinates in which the loss is about equally curved in all directions."""

    states: Float64[np.ndarray, "example coordinate"]
    shrinking: Float64[np.ndarray, "coordinate coordinate"]
    """The penalty as a quadratic form."""
    back: Float64[np.ndarray, "d coordinate"]
    """From weights in these coordinates to those on standardised states."""


def _frame(scaled: Float64[np.ndarray, "example d"], penalty: float, curvature: float) -> _Frame:
    from scipy.linalg import solve_triangular

    scaled, axes = in_span(scaled)
    curved = curvature * (scaled.T @ scaled)
    curved[np.diag_indices_from(curved)] += penalty
    lower = np.linalg.cholesky(curved)
    inverse = solve_triangular(lower, np.eye(len(lower)), lower=True)
    back = inverse.T if axes is None else axes @ inverse.T
    return _Frame(scaled @ inverse.T, penalty * inverse @ inverse.T, back)


class _Loss:
    """Loss and slope of all tasks together; they share nothing but the states."""

    def __init__(self, frame: _Frame, labellings: np.ndarray, count: int, balanced: bool):
        self._frame = frame
        self._tasks, self._count = len(labellings), count
        own = np.eye(count)[labellings.T]  # example, task, class
        sizes = own.sum(0)
        weight = len(own) / (count * np.maximum(sizes, 1)) if balanced else np.ones_like(sizes)
        self._weight = (own * weight).sum(2)
        self._shares = sizes * weight / (sizes * weight).sum(1, keepdims=True)
        absent = np.where(sizes > 0, 0.0, ABSENT)
        # of two classes only the second has a column
        self._own = own[:, :, 1:] if count == 2 else own
        self.offset = (absent[:, 1:] - absent[:, :1] if count == 2 else absent).reshape(-1)
        self._stretch = 1 / np.sqrt(len(own) / 4)

    def taken_apart(self, point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weights (coordinate, task x column) and bias (task x column)."""
        parts = point.reshape(-1, self._own.shape[1] * self._own.shape[2])
        return parts[:-1], parts[-1] * self._stretch

    def constants(self) -> Float64[np.ndarray, "task column"]:
        """The bias of each task's best constant."""
        logs = np.log(np.maximum(self._shares, np.exp(-700.0)))
        return logs[:, 1:] - logs[:, :1] if self._count == 2 else logs

    def gains(self, point: np.ndarray) -> Float64[np.ndarray, " task"]:
        """How much less each task's loss is than that of its best constant, in nats over all examples."""
        weights, bias = self.taken_apart(point)
        loss, _ = self._losses(weights, bias)
        sums = self._shares * self._weight.sum(0)[:, None]
        constant = -(sums * np.log(np.maximum(self._shares, np.exp(-700.0)))).sum(1)
        return constant - (loss * self._weight).sum(0)

    def _losses(self, weights: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(example, task) losses, and their slopes in the logits."""
        logits = (self._frame.states @ weights + bias + self.offset).reshape(self._own.shape)
        return self._binary(logits) if self._count == 2 else self._softmax(logits)

    def __call__(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        weights, bias = self.taken_apart(point)
        loss, slope = self._losses(weights, bias)
        slope = (slope * self._weight[..., None]).reshape(len(slope), -1)
        shrunk = self._frame.shrinking @ weights
        value = float((loss * self._weight).sum() + (weights * shrunk).sum() / 2)
        by_weight = self._frame.states.T @ slope + shrunk
        return value, np.concatenate([by_weight, slope.sum(0, keepdims=True) * self._stretch]).reshape(-1)

    def _binary(self, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from scipy.special import expit

        return (np.logaddexp(0, logits) - self._own * logits)[..., 0], expit(logits) - self._own

    def _softmax(self, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        top = logits.max(-1, keepdims=True)
        shares = np.exp(logits - top)
        total = shares.sum(-1, keepdims=True)
        loss = (top + np.log(total))[..., 0] - (logits * self._own).sum(-1)
        return loss, shares / total - self._own
