"""Points that came after a picture was drawn, put between those they are nearest to in the full space."""

import numpy as np
from jaxtyping import Float32

from analysis.errors import AnalysisError

NEAREST = 15
"""Points that decide where a new one goes."""
SHORTLIST = 8 * NEAREST
"""Points whose distance is computed without rounding, of all that a product of matrices finds near."""
TOGETHER = 64
"""New points of one product."""


def placed(
    new: Float32[np.ndarray, "new d_model"],
    states: Float32[np.ndarray, "point d_model"],
    coordinates: Float32[np.ndarray, "point axis"],
    nearest: int = NEAREST,
) -> Float32[np.ndarray, "new axis"]:
    """The mean position of each new point's nearest neighbours in the full space, the nearer the heavier.

    Weights are one over the squared distance: a state that is there already lies exactly on its own point.

    Args:
        new: scaled as the picture's states were.
        states: of the points of the picture.
        coordinates: where they are drawn.
        nearest: how many decide.

    Raises:
        AnalysisError: widths differ.

    Source: inverse distance weighting, Shepard 1968, 10.1145/800186.810616.
    Misleads when: a new point is far from all of them: it is drawn among them all the same.
    """
    if new.shape[1] != states.shape[1]:
        raise AnalysisError(
            f"The map is of states of {states.shape[1]} numbers; given {new.shape[1]}. Read both from the same model."
        )
    found = np.empty((len(new), coordinates.shape[1]), np.float32)
    middle = states.mean(0)
    centred = states - middle  # the distances stay, and less is lost to rounding
    squares = np.einsum("ij,ij->i", centred, centred)
    for begin in range(0, len(new), TOGETHER):
        about = squares - 2 * ((new[begin : begin + TOGETHER] - middle) @ centred.T)
        for number, row in enumerate(about, begin):
            shortlist = np.sort(np.argpartition(row, min(SHORTLIST, len(row)) - 1)[:SHORTLIST])
            found[number] = _between(new[number], states[shortlist], coordinates[shortlist], nearest)
    return found


def _between(
    state: Float32[np.ndarray, " d_model"],
    states: Float32[np.ndarray, "point d_model"],
    coordinates: Float32[np.ndarray, "point axis"],
    nearest: int,
) -> Float32[np.ndarray, " axis"]:
    squares = np.square(states - state).sum(1, dtype=np.float64)  # exactly 0 for an equal state
    near = np.argsort(squares, kind="stable")[:nearest]
    if squares[near[0]] == 0:
        return coordinates[near[0]]
    weights = squares[near[0]] / squares[near]
    return (weights @ coordinates[near] / weights.sum()).astype(np.float32)
