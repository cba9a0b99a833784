"""Probes for numbers: ridge regression and partial least squares."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64

from analysis.errors import AnalysisError
from analysis.probing.measures import r2_each
from analysis.probing.scaling import Scale, in_span, scale_of

COMPONENTS = 5
"""Of partial least squares, where one number of them has to be chosen."""


@dataclass(frozen=True, eq=False)
class NumberProbe:
    """Numbers read off a state, each as one linear function of it."""

    weights: Float64[np.ndarray, "number d"]
    """On states as they are, in units of the number per unit of the state."""
    bias: Float64[np.ndarray, " number"]

    def predict(self, states: Float[np.ndarray, "example d"]) -> Float64[np.ndarray, "example number"]:
        """The numbers that every state is read to hold."""
        return states.astype(np.float64) @ self.weights.T + self.bias

    @property
    def directions(self) -> Float64[np.ndarray, "number d"]:
        """One per number: along it the number grows."""
        return self.weights


def ridge(
    states: Float[np.ndarray, "example d"],
    targets: Float[np.ndarray, "task row number"],
    *,
    penalty: float | None = None,
) -> tuple[NumberProbe, ...]:
    """Ridge regression from standardised states to standardised numbers; one probe per task.

    Args:
        states: of the examples.
        targets: one probe is fitted to each set of numbers.
        penalty: alpha of scikit-learn; None is d, the number of numbers in a state.

    Raises:
        AnalysisError: counts differ or a state is not finite.
    Source: Gurnee & Tegmark 2023, arXiv 2310.02207 (with alpha = d).
    Misleads when: held-out places or times are neighbours of those learned from: hold out whole groups.
    """
    scale = _scale(states, targets)
    scaled, axes = in_span(scale.apply(states))
    form = scaled.T @ scaled
    form[np.diag_indices_from(form)] += penalty or states.shape[1]
    found = []
    for wanted in targets:
        middle, spread = wanted.mean(0), _spread(wanted)
        weights = np.linalg.solve(form, scaled.T @ ((wanted - middle) / spread)).T
        weights = weights if axes is None else weights @ axes.T
        found.append(_in_units(weights, middle, spread, scale))
    return tuple(found)


def pls(
    states: Float[np.ndarray, "example d"],
    targets: Float[np.ndarray, "task row number"],
    *,
    components: int = COMPONENTS,
) -> tuple[NumberProbe, ...]:
    """Partial least squares from standardised states to standardised numbers; one probe per task.

    Args:
        states: of the examples.
        targets: one probe is fitted to each set of numbers.
        components: directions of the states that are used; fewer where the states do not have as many.

    Raises:
        AnalysisError: counts differ, a state is not finite, or `components` is below 1.
    Source: Wold 1975 (NIPALS) in the form of Dayal & MacGregor 1997; for numbers in language models El-Shangiti
        et al. 2025, arXiv 2410.13194.
    Misleads when: components are many and examples few: it fits the noise sooner than ridge regression does.
    """
    return tuple(_pls_steps(states, wanted, components)[-1] for wanted in targets)


def component_curve(
    states: Float[np.ndarray, "example d"],
    targets: Float[np.ndarray, "example number"],
    held_out: Bool[np.ndarray, " example"],
    most: int = 10,
) -> Float64[np.ndarray, "component number"]:
    """R2 of every number on held-out examples, with 1, 2, ... components of partial least squares.

    Misleads when: the number of components is chosen by it and the same R2 is then reported: it was chosen to be
    high.
    """
    probes = _pls_steps(states[~held_out], targets[~held_out], most)
    return np.stack([r2_each(targets[held_out], probe.predict(states[held_out])) for probe in probes])


def _pls_steps(
    states: Float[np.ndarray, "example d"], targets: Float[np.ndarray, "row number"], most: int
) -> list[NumberProbe]:
    """A probe for every number of components up to `most`; the last ones are missing where none are left."""
    if most < 1:
        raise AnalysisError(f"Partial least squares needs at least one component; given {most}.")
    scale = _scale(states, targets[None])
    scaled = scale.apply(states)
    middle, spread = targets.mean(0), _spread(targets)
    shared = scaled.T @ ((targets - middle) / spread)
    weights = np.zeros_like(shared)
    first, rotations, loadings, probes = np.abs(shared).max(), [], [], []
    for _ in range(min(most, len(states) - 1, states.shape[1])):
        if np.abs(shared).max() <= 1e-9 * first:
            break
        axis = np.linalg.svd(shared, full_matrices=False)[0][:, 0]
        turned = axis.copy()
        for rotation, loading in zip(rotations, loadings, strict=True):
            turned -= (loading @ axis) * rotation
        scores = scaled @ turned
        length = scores @ scores
        loading, answer = scaled.T @ scores / length, shared.T @ turned / length
        shared = shared - length * np.outer(loading, answer)
        weights = weights + np.outer(turned, answer)
        rotations.append(turned)
        loadings.append(loading)
        probes.append(_in_units(weights.T, middle, spread, scale))
    return probes or [_in_units(weights.T, middle, spread, scale)]


def _scale(states: Float[np.ndarray, "example d"], targets: Float[np.ndarray, "task row number"]) -> Scale:
    if len(states) != targets.shape[1]:
        raise AnalysisError(
            f"Every state needs its numbers; given {len(states):,} states and {targets.shape[1]:,} rows of numbers."
        )
    if not np.isfinite(targets).all():
        raise AnalysisError("A number to be told is missing or infinite. Fill it in or remove its example.")
    return scale_of(states)


def _spread(targets: Float[np.ndarray, "example number"]) -> Float64[np.ndarray, " number"]:
    spread = targets.std(0)
    return np.where(spread > 0, spread, 1.0)


def _in_units(weights: np.ndarray, middle: np.ndarray, spread: np.ndarray, scale: Scale) -> NumberProbe:
    return NumberProbe(*scale.back(weights * spread[:, None], middle.astype(np.float64)))
