"""The form that all linear probes for classes have, and what fitting them shares."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int, Int64

from analysis.errors import AnalysisError


@dataclass(frozen=True, eq=False)
class LinearProbe:
    """One score for every class, linear in the state; the highest wins."""

    weights: Float64[np.ndarray, "class d"]
    """On states as they are, not standardised."""
    bias: Float64[np.ndarray, " class"]
    """Minus infinity for a class that none of the examples had."""

    def scores(self, states: Float[np.ndarray, "example d"]) -> Float64[np.ndarray, "example class"]:
        """Logarithms of the classes' probabilities, but for a constant of each example."""
        return states.astype(np.float64) @ self.weights.T + self.bias

    def log_probabilities(
        self, states: Float[np.ndarray, "example d"]
    ) -> Float64[np.ndarray, "example class"]:
        """Natural logarithms of the classes' probabilities, at most 0."""
        return log_shares(self.scores(states))

    def predict(self, states: Float[np.ndarray, "example d"]) -> Int64[np.ndarray, " example"]:
        """The likeliest class of every state."""
        return self.scores(states).argmax(1)

    @property
    def directions(self) -> Float64[np.ndarray, "direction d"]:
        """What tells the classes apart: from the first to the second of two, else one direction per class."""
        if len(self.weights) == 2:
            return self.weights[1:] - self.weights[:1]
        return self.weights - self.weights.mean(0)


def require_classes(states: Float[np.ndarray, "example d"], classes: Int[np.ndarray, " label"]) -> int:
    """Refuse examples that no probe can learn from.

    Returns:
        The number of classes.
    """
    if len(states) != len(classes):
        raise AnalysisError(
            f"Every state needs a class; given {len(states):,} states and {len(classes):,} classes."
        )
    if len(np.unique(classes)) < 2:
        raise AnalysisError(
            "All examples have one class, so there is nothing to tell apart. Add another class."
        )
    if classes.min() < 0:
        raise AnalysisError(f"Classes are numbered from 0 on; given {classes.min()}.")
    return int(classes.max()) + 1


def class_means(
    states: Float64[np.ndarray, "example d"], classes: Int[np.ndarray, " example"], count: int
) -> tuple[Float64[np.ndarray, " class"], Float64[np.ndarray, "class d"]]:
    """Share of the examples and mean of every class; zero where a class has none."""
    own = np.eye(count)[classes]
    sizes = own.sum(0)
    return sizes / len(states), own.T @ states / np.maximum(sizes, 1)[:, None]


def log_shares(scores: Float64[np.ndarray, "example class"]) -> Float64[np.ndarray, "example class"]:
    """The logarithm of softmax over classes."""
    shifted = scores - scores.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
