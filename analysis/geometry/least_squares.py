"""The best linear map from one layer's states to another's, with parts of the texts held out or none."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64

KEPT = 1e-10
"""Axes with less than this share of the largest one's variance, each number first scaled to length 1, are not used:
they are rounding."""
STILL = 1e-12
"""A variance below this share of the states' mean square is rounding."""


@dataclass(frozen=True, eq=False)
class LinearMap:
    """A map, and the means about which it maps."""

    from_mean: Float32[np.ndarray, " d_model"]
    to_mean: Float32[np.ndarray, " d_model"]
    matrix: Float32[np.ndarray, "d_model d_model"]

    def misses(
        self, given: Float32[np.ndarray, "point d_model"], wanted: Float32[np.ndarray, "point d_model"]
    ) -> Float32[np.ndarray, " point"]:
        """Squared length of what it misses of each point."""
        left = wanted - self.to_mean - (given - self.from_mean) @ self.matrix
        return np.einsum("ij,ij->i", left, left)


class LeastSquares:
    """Least squares from the states of one layer, whatever is predicted from them.

    Products of the states are summed part by part, so that leaving out a part costs no second pass. Products are
    taken in float64: what little the many small axes carry would drown in float32.
    """

    def __init__(
        self,
        given: Float32[np.ndarray, "point d_model"],
        part: Int64[np.ndarray, " point"] | None = None,
        held: Iterable[int | None] = (None,),
    ):
        """Prepare one map for each part that is to be left out.

        Args:
            given: the states to predict from.
            part: which part each point belongs to; None puts all into part 0.
            held: parts to leave out, one at a time; None leaves out nothing.
        """
        part = np.zeros(len(given), np.int64) if part is None else part
        self._centre = _mean(given)
        self.parts = {int(each): np.flatnonzero(part == each) for each in np.unique(part)}
        """The points of each part."""
        wides = ((each, self._wide(given[rows])) for each, rows in self.parts.items())
        summed = {each: (wide.sum(0), wide.T @ wide) for each, wide in wides}
        self._sums = {each: own for each, (own, _) in summed.items()}
        self._inverses = {
            out: self._inverse(out, {each: own for each, (_, own) in summed.items()}) for out in held
        }

    def maps(
        self, given: Float32[np.ndarray, "point d_model"], wanted: Float32[np.ndarray, "point d_model"]
    ) -> dict[int | None, LinearMap]:
        """The best maps to some states, by the part each leaves out.

        Args:
            given: the states it was made of.
            wanted: what is predicted, of the same points.
        """
        centre = _mean(wanted)
        targets, products = {}, {}
        for each, rows in self.parts.items():
            own = (wanted[rows] - centre).astype(np.float64)
            targets[each], products[each] = own.sum(0), self._wide(given[rows]).T @ own
        return {held: self._map(held, targets, products, centre) for held in self._inverses}

    def _wide(self, own: np.ndarray) -> np.ndarray:
        return (own - self._centre).astype(np.float64)

    def _map(self, held: int | None, targets: dict, products: dict, centre: np.ndarray) -> LinearMap:
        count, total, target = self._count(held), _but(self._sums, held), _but(targets, held)
        matrix = self._inverses[held] @ (_but(products, held) - np.outer(total, target) / count)
        means = (
            (self._centre + total / count).astype(np.float32),
            (centre + target / count).astype(np.float32),
        )
        return LinearMap(*means, matrix.astype(np.float32))

    def _inverse(self, held: int | None, products: dict) -> Float64[np.ndarray, "d_model d_model"]:
        total = _but(self._sums, held)
        return _pseudo_inverse(_but(products, held) - np.outer(total, total) / self._count(held))

    def _count(self, held: int | None) -> int:
        return sum(len(rows) for each, rows in self.parts.items() if each != held)


def _but(by_part: dict[int, np.ndarray], held: int | None) -> np.ndarray:
    """The sum over all parts but one."""
    return sum(own for part, own in by_part.items() if part != held)


def dealt_parts(text: Int64[np.ndarray, " point"], parts: int, seed: int = 0) -> Int64[np.ndarray, " point"]:
    """Which part each point's text is dealt to, 0 to parts - 1, as evenly as texts allow; one text is one part."""
    texts, number = np.unique(text, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(texts))
    return order[number] % min(parts, max(len(texts), 1))


def spread(states: Float32[np.ndarray, "point d_model"]) -> float:
    """Mean squared distance from the mean, 0 where that is rounding."""
    centred = states - _mean(states)
    found = float(np.einsum("ij,ij->i", centred, centred).mean(dtype=np.float64))
    size = float(np.einsum("ij,ij->i", states, states).mean(dtype=np.float64))
    return found if found > STILL * size else 0.0


def _mean(states: np.ndarray) -> Float32[np.ndarray, " d_model"]:
    return states.mean(0, dtype=np.float64).astype(np.float32)


def _pseudo_inverse(products: np.ndarray) -> Float64[np.ndarray, "d_model d_model"]:
    """Of the products of centred numbers, which are first made alike in length: a few are a thousand times larger."""
    lengths = np.sqrt(np.maximum(np.diag(products), 0))
    scale = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    values, axes = np.linalg.eigh(products * scale[:, None] * scale)
    used = values > KEPT * max(values[-1], np.finfo(np.float64).tiny)
    axes = axes[:, used] * scale[:, None]
    return (axes / values[used]) @ axes.T
