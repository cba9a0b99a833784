"""What the points of a group have in common: values that are frequent among them, and numbers that are shifted."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Float64
from scipy import stats

from analysis.corpora.columns import as_classes, kind
from analysis.groups.membership import Rows, membership

SOURCE = "Fisher 1935 (hypergeometric, one-sided); Mann & Whitney 1947; Benjamini & Hochberg 1995"
MISLEADS = (
    "Points of one text share what is known of the text, so many tokens of few texts look like much evidence; and a "
    "group that was chosen by its colour is enriched in that colour."
)


@dataclass(frozen=True)
class SharedValue:
    """One value of one column, in the group and outside."""

    column: str
    value: str
    inside: int
    """Points of the group that have it."""
    outside: int
    share_inside: float
    """0 to 1."""
    share_outside: float
    log2_ratio: float
    """Of the two shares: 1 is twice as frequent in the group; infinite where it occurs on one side only."""
    p: float
    """Chance that a random group of this size has as many or more."""
    q: float = float("nan")
    """p, corrected for all values and numbers that were looked at."""


@dataclass(frozen=True)
class SharedNumber:
    """One column of numbers, in the group and outside; points without the number are left out."""

    column: str
    inside: int
    """Points of the group that have the number."""
    outside: int
    mean_inside: float
    mean_outside: float
    difference: float
    """Of the means, in pooled standard deviations; NaN where the number does not vary."""
    p: float
    """Of a rank-sum test, two-sided."""
    q: float = float("nan")
    """p, corrected for all values and numbers that were looked at."""


@dataclass(frozen=True)
class Shared:
    """What a group shares, the surest first."""

    values: tuple[SharedValue, ...]
    numbers: tuple[SharedNumber, ...]
    inside: int
    """Points of the group."""
    outside: int


def enrichment(columns: pd.DataFrame, rows: Rows, among: Bool[np.ndarray, " point"] | None = None) -> Shared:
    """Every value of every column of classes, and every column of numbers, in a group against the rest.

    Args:
        columns: one row per point; columns of more than 50 different texts are left out.
        rows: the group.
        among: points that count; None takes all.

    Raises:
        AnalysisError: a row does not exist, or there is no group or no rest.
    Source: Fisher 1935 (hypergeometric, one-sided); Mann & Whitney 1947; Benjamini & Hochberg 1995.
    Misleads when: points come from the same texts, or the group was chosen by the column's own colour.
    """
    group, rest = membership(len(columns), rows, among)
    values: list[SharedValue] = []
    numbers: list[SharedNumber] = []
    for name in columns.columns:
        column, used = columns[name], kind(columns[name])
        if used == "classes":
            classes = as_classes(column).to_numpy()
            values += _values(str(name), classes[group], classes[rest])
        elif used == "numbers":
            own = column.to_numpy(dtype=np.float64, na_value=np.nan)
            numbers += _number(str(name), own[group], own[rest])
    q = corrected(np.array([each.p for each in (*values, *numbers)]))
    values = [replace(each, q=float(own)) for each, own in zip(values, q[: len(values)], strict=True)]
    numbers = [replace(each, q=float(own)) for each, own in zip(numbers, q[len(values) :], strict=True)]
    return Shared(
        tuple(sorted(values, key=lambda each: (each.p, each.column, each.value))),
        tuple(sorted(numbers, key=lambda each: (each.p, each.column))),
        len(group),
        len(rest),
    )


def corrected(p: Float[np.ndarray, " test"]) -> Float64[np.ndarray, " test"]:
    """The q values of tests: the smallest share of false findings at which each test would be one.

    Source: Benjamini & Hochberg 1995, Journal of the Royal Statistical Society B 57.
    Misleads when: tests are opposed to one another, as a value's being frequent and its being rare are.
    """
    if not len(p):
        return np.zeros(0)
    order = np.argsort(p, kind="stable")
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    result = np.empty(len(p))
    result[order] = np.minimum.accumulate(scaled[::-1])[::-1].clip(max=1)
    return result


def _values(column: str, inside: np.ndarray, outside: np.ndarray) -> list[SharedValue]:
    found = []
    count, other = len(inside), len(outside)
    here, there = (pd.Series(cells).value_counts() for cells in (inside, outside))
    for value in sorted(here.index.union(there.index)):
        a, b = int(here.get(value, 0)), int(there.get(value, 0))
        with np.errstate(divide="ignore"):
            ratio = float(np.log2(np.float64(a / count)) - np.log2(np.float64(b / other)))
        p = float(stats.hypergeom.sf(a - 1, count + other, a + b, count))
        found.append(SharedValue(column, value, a, b, a / count, b / other, ratio, p))
    return found


def _number(column: str, inside: np.ndarray, outside: np.ndarray) -> list[SharedNumber]:
    """One entry, or none where one side lacks the number."""
    inside, outside = (cells[np.isfinite(cells)] for cells in (inside, outside))
    if not len(inside) or not len(outside):
        return []
    shift = inside.mean() - outside.mean()
    freedom = len(inside) + len(outside) - 2
    squares = inside.var() * len(inside) + outside.var() * len(outside)
    spread = np.sqrt(squares / freedom) if freedom > 0 else 0.0
    p = float(stats.mannwhitneyu(inside, outside, alternative="two-sided").pvalue)
    return [
        SharedNumber(
            column,
            len(inside),
            len(outside),
            float(inside.mean()),
            float(outside.mean()),
            float(shift / spread) if spread > 0 else float("nan"),
            p if np.isfinite(p) else 1.0,
        )
    ]
