"""How good predictions are: shares, coefficients of determination and distances, each with what chance does to it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int, Int64

SIGMAS = 1.959964
"""Standard errors either side that hold 95% of a normal distribution."""
DRAWS = 1000
"""Bootstrap samples of an interval."""
EARTH_KM = 6371.0088
"""Mean radius."""


def wilson(right: int, count: int) -> tuple[float, float]:
    """Lowest and highest share, 0 to 1, that `right` out of `count` is compatible with, at 95%.

    Source: Wilson 1927, Journal of the American Statistical Association 22.
    Misleads when: examples come in groups that are right or wrong together: the interval is then too narrow.
    """
    share, z2 = right / count, SIGMAS**2 / count
    middle = (share + z2 / 2) / (1 + z2)
    half = SIGMAS / (1 + z2) * np.sqrt(share * (1 - share) / count + z2 / (4 * count))
    return min(share, max(0.0, float(middle - half))), max(share, min(1.0, float(middle + half)))


def confusion(
    classes: Int[np.ndarray, " example"], predicted: Int[np.ndarray, " example"], count: int
) -> Int64[np.ndarray, "class predicted"]:
    """Examples of every class (rows) by the class they were taken for (columns)."""
    table = np.zeros((count, count), np.int64)
    np.add.at(table, (classes, predicted), 1)
    return table


def balanced_accuracy(table: Int[np.ndarray, "class predicted"]) -> float:
    """Mean over classes of the share that was recognised, 0 to 1; classes without examples are left out."""
    sizes = table.sum(1)
    return float((np.diag(table)[sizes > 0] / sizes[sizes > 0]).mean())


def f1(table: Int[np.ndarray, "class predicted"]) -> float:
    """Harmonic mean of precision and recall, 0 to 1: of the second of two classes, else the mean over classes.

    Misleads when: the second class is the common one: always guessing it then scores high.
    """
    both = table.sum(0) + table.sum(1)
    each = 2 * np.diag(table) / np.maximum(both, 1)
    return float(each[1] if len(each) == 2 else each[both > 0].mean())


def r2_each(
    targets: Float[np.ndarray, "example number"], predicted: Float[np.ndarray, "example number"]
) -> Float64[np.ndarray, " number"]:
    """1 less the squared error over the squared distance from the mean, of every number: at most 1, 0 for the mean.

    NaN where a number does not vary. Misleads when: the held-out examples vary less than those learned from.
    """
    error = ((targets - predicted) ** 2).sum(0)
    spread = ((targets - targets.mean(0)) ** 2).sum(0)
    return 1 - error / np.where(spread > 0, spread, np.nan)


def r2(targets: Float[np.ndarray, "example number"], predicted: Float[np.ndarray, "example number"]) -> float:
    """The mean of `r2_each`. Misleads when: one number is told well and another badly."""
    return float(r2_each(targets, predicted).mean())


def r2_interval(
    targets: Float[np.ndarray, "example number"],
    predicted: Float[np.ndarray, "example number"],
    groups: Sequence[str],
    seed: int = 0,
) -> tuple[float, float]:
    """2.5% and 97.5% of R2 over groups drawn again with replacement; NaN where there is one group.

    Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap (cluster bootstrap, percentiles).
    Misleads when: there are few groups (below about 20): the interval is then too narrow.
    """
    group = np.unique(np.asarray(groups), return_inverse=True)[1]
    count = int(group.max()) + 1
    if count < 2:
        return float("nan"), float("nan")
    centred = targets - targets.mean(0)  # sums of squares lose less this way
    parts = np.stack([(targets - predicted) ** 2, centred, centred**2, np.ones_like(centred)])
    sums = np.zeros((count, *parts[:, 0].shape))
    np.add.at(sums, group, parts.transpose(1, 0, 2))
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=DRAWS)
    error, total, squares, size = np.einsum("dg,gpn->pdn", drawn.astype(np.float64), sums)
    spread = squares - total**2 / size
    found = (1 - error / np.where(spread > 1e-12 * squares, spread, np.nan)).mean(1)
    found = found[np.isfinite(found)]
    low, high = np.percentile(found, [2.5, 97.5]) if len(found) else (np.nan, np.nan)
    return float(low), float(high)


def haversine_km(
    one: Float[np.ndarray, "example 2"], other: Float[np.ndarray, "example 2"]
) -> Float64[np.ndarray, " example"]:
    """Distance on the Earth's surface between points of latitude and longitude in degrees, in km, 0 to 20,015."""
    lat, lon, lat2, lon2 = np.radians(np.concatenate([one, other], axis=1).astype(np.float64)).T
    part = np.sin((lat2 - lat) / 2) ** 2 + np.cos(lat) * np.cos(lat2) * np.sin((lon2 - lon) / 2) ** 2
    return 2 * EARTH_KM * np.arcsin(np.sqrt(np.clip(part, 0, 1)))


def coordinates(numbers: Sequence[str]) -> tuple[int, int] | None:
    """Which numbers are latitude and longitude, by their names; None where they are not both there."""
    found = []
    for wanted in ("latitude", "longitude"):
        found += [i for i, name in enumerate(numbers) if name.casefold().startswith(wanted)][:1]
    return (found[0], found[1]) if len(found) == 2 else None


@dataclass(frozen=True)
class Score:
    """An accuracy or an R2, and the 95% interval it is compatible with."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        value, low, high = (round(each, 2) + 0.0 for each in (self.value, self.low, self.high))  # no -0.00
        return f"{value:.2f} ({low:.2f} to {high:.2f})"
