"""What every eraser comes down to: an affine map that takes a subspace out of states, about a mean."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

from analysis.errors import AnalysisError

RELATIVE = 1e-8
"""Of the largest singular value: a direction below this is rounding in float64."""


@dataclass(frozen=True)
class Distance:
    """How far an eraser moves states: mean squared lengths over examples, in squared units of the states."""

    total: float
    inside: float | None = None
    """The part within the concept's subspace; None where no subspace was given."""
    outside: float | None = None
    """The rest: what was moved although states do not show the concept there. Adds up to `total`."""


@dataclass(frozen=True, eq=False)
class Eraser:
    """The map x - left right (x - mean); `right` says what is read off a state, `left` what is taken away for it.

    With states of d numbers, `mean` is (d,), `left` (d, rank) and `right` (rank, d); all are kept as float32.
    """

    method: str
    """One of `ERASERS`."""
    mean: Float[np.ndarray, " d"]
    """Stays where it is."""
    left: Float[np.ndarray, "long rank"]
    right: Float[np.ndarray, "high wide"]
    """The transpose of `left` where the projection is orthogonal."""
    iterations: int = 0
    """Steps of a search; 0 where there is a formula."""

    def __post_init__(self):
        mean, left, right = (np.array(each, np.float32) for each in (self.mean, self.left, self.right))
        if left.ndim != 2 or left.shape != right.shape[::-1] or mean.shape != left.shape[:1]:
            raise AnalysisError(
                "An eraser needs a mean (d,), left (d, rank) and right (rank, d); given shapes "
                f"{mean.shape}, {left.shape} and {right.shape}."
            )
        if not all(np.isfinite(each).all() for each in (mean, left, right)):
            raise AnalysisError(
                "An eraser needs finite numbers, and some are not. Fit it again on finite states."
            )
        for name, each in (("mean", mean), ("left", left), ("right", right)):
            each.flags.writeable = False
            object.__setattr__(self, name, each)

    @property
    def d(self) -> int:
        """Numbers of a state."""
        return len(self.mean)

    @property
    def rank(self) -> int:
        """Dimensions that are taken out."""
        return self.left.shape[1]

    def apply(self, x: Float[np.ndarray, "example d"]) -> Float[np.ndarray, "example d"]:
        """Erased states, in the type of those given.

        Raises:
            AnalysisError: states are of another width.
        """
        return (x - self._move(x)).astype(x.dtype)

    def projection(self) -> Float64[np.ndarray, "d d"]:
        """The matrix I - left right, which acts on states minus the mean."""
        return np.eye(self.d) - self.left.astype(np.float64) @ self.right.astype(np.float64)

    def distance(
        self, x: Float[np.ndarray, "example d"], concept: Float[np.ndarray, "direction d"] | None = None
    ) -> Distance:
        """How far states are moved.

        Args:
            x: states.
            concept: directions that span the concept's subspace, such as `Moments.differences`.

        Misleads when: numbers of a state differ much in size; those that vary most decide.
        """
        move = self._move(x)
        total = float((move**2).sum(1).mean())
        if concept is None:
            return Distance(total)
        inside = float(((move @ basis(concept)) ** 2).sum(1).mean())
        return Distance(total, inside, max(total - inside, 0.0))

    def _move(self, x: np.ndarray) -> Float64[np.ndarray, "example d"]:
        """What is taken away from each state."""
        if x.ndim != 2 or x.shape[1] != self.d:
            raise AnalysisError(
                f"This eraser acts on states of {self.d} numbers; given an array of shape {x.shape}. Fit one on "
                "states of the same layer and model."
            )
        centred = x.astype(np.float64) - self.mean
        return centred @ self.right.T.astype(np.float64) @ self.left.T.astype(np.float64)


def basis(directions: Float[np.ndarray, "direction d"]) -> Float64[np.ndarray, "d rank"]:
    """Orthonormal columns that span the directions, without those that are rounding beside the largest."""
    axes, size, _ = np.linalg.svd(directions.astype(np.float64).T, full_matrices=False)
    return axes[:, size > RELATIVE * max(size.max(initial=0.0), 1e-300)]
