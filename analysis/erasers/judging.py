"""What a search for an eraser learns from and what it is judged by: examples kept back, and a fresh classifier.

Searches work in coordinates in which all numbers of a state vary alike. A projection is orthogonal there, and the
classifier's weights have to live there too: fitted in other coordinates they may lean out of the space that the
states span, and taking them out would leave what they read.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from analysis.erasers.eraser import Eraser
from analysis.erasers.moments import moments_of
from analysis.errors import AnalysisError
from analysis.probing.scaling import NOISE

SHARE = 0.2
"""Of every class, kept back where the caller names no examples."""
STEPS = 2000
"""Of the classifier's descent, at most."""


@dataclass(frozen=True, eq=False)
class Reading:
    """A classifier fitted to erased states, and how it does."""

    weights: Float64[np.ndarray, "direction d"]
    """On scaled states; one row for two classes, else one for each."""
    accuracy: float
    """On the judged examples, 0 to 1."""


@dataclass(frozen=True, eq=False)
class Trial:
    """Labelled states, divided into those to learn from and those to judge by."""

    scaled: Float64[np.ndarray, "example d"]
    """Minus the mean and divided by the spread of those learned from; 0 where a number never varies."""
    classes: Int[np.ndarray, " example"]
    learned: Bool[np.ndarray, " example"]
    judged: Bool[np.ndarray, " example"]
    """The others, or the same ones where none are kept back."""
    mean: Float64[np.ndarray, " d"]
    spread: Float64[np.ndarray, " d"]
    """0 where a number never varies."""
    penalty: float
    """Of the classifiers: 1 / C of scikit-learn."""

    @property
    def count(self) -> int:
        """Classes."""
        return int(self.classes.max()) + 1

    @property
    def majority(self) -> float:
        """Share of the judged examples that have the class which is the most frequent among the learned ones."""
        usual = np.bincount(self.classes[self.learned]).argmax()
        return float((self.classes[self.judged] == usual).mean())

    @property
    def error(self) -> float:
        """Standard error of the majority's share; 0 where examples are judged by what was learned from them."""
        if (self.judged & self.learned).any():
            return 0.0
        return float(np.sqrt(self.majority * (1 - self.majority) / self.judged.sum()))

    def without(self, axes: Float64[np.ndarray, "d rank"]) -> Reading:
        """What a fresh classifier makes of scaled states once orthonormal axes have been taken out of them."""
        from sklearn.linear_model import LogisticRegression  # two seconds that only searches need

        erased, own = self.scaled - self.scaled @ axes @ axes.T, self.classes[self.learned]
        fitted = LogisticRegression(C=1 / self.penalty, max_iter=STEPS).fit(erased[self.learned], own)
        right = fitted.predict(erased[self.judged]) == self.classes[self.judged]
        return Reading(fitted.coef_, float(right.mean()))

    def eraser(self, method: str, axes: Float64[np.ndarray, "d rank"], iterations: int) -> Eraser:
        """The eraser that takes orthonormal axes out of scaled states, for states as they are."""
        inverse = np.divide(1, self.spread, out=np.zeros_like(self.spread), where=self.spread > 0)
        return Eraser(method, self.mean, self.spread[:, None] * axes, axes.T * inverse, iterations)


def trial(
    states: Float[np.ndarray, "example d"],
    classes: Int[np.ndarray, " label"],
    kept_back: Bool[np.ndarray, " mark"] | None = None,
    *,
    penalty: float | None = None,
    standardised: bool = True,
    seed: int = 0,
) -> Trial:
    """Divide labelled states.

    Args:
        states: finite.
        classes: numbered from 0 on, all of them with examples.
        kept_back: examples to judge by and not to learn from; None draws a fifth of every class, and if none is
            True all are learned from and judged.
        penalty: 1 / C of the classifiers; None is d / 4, as in `analysis.probing.logistic`.
        standardised: divide every number by its own spread; else all by their root mean square, which leaves angles.
        seed: of the draw.

    Raises:
        AnalysisError: as `Moments` says of what is learned from, or `kept_back` is of another length.
    """
    if kept_back is not None and kept_back.shape != classes.shape:
        raise AnalysisError(
            f"Examples to keep back are marked one by one; given {len(kept_back):,} marks for {len(classes):,} "
            "examples."
        )
    whole = moments_of(states, classes)
    back = _drawn(classes, seed) if kept_back is None else kept_back
    part = moments_of(states[~back], classes[~back], whole.k)
    spread = np.sqrt(np.diag(part.covariance))
    spread = np.where(spread > NOISE * np.abs(part.mean), spread, 0.0)
    if not standardised:
        spread = np.full_like(spread, np.sqrt((spread**2).mean()))
    scaled = np.divide(states - part.mean, spread, out=np.zeros(states.shape), where=spread > 0)
    judged = back if back.any() else ~back
    return Trial(scaled, classes, ~back, judged, part.mean, spread, penalty or states.shape[1] / 4)


def _drawn(classes: np.ndarray, seed: int) -> np.ndarray:
    random, back = np.random.default_rng(seed), np.zeros(len(classes), bool)
    for each in np.unique(classes):
        own = random.permutation(np.flatnonzero(classes == each))
        back[own[: int(SHARE * len(own))]] = True
    return back
