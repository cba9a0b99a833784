"""Annotations are checked while tests run: what breaks one is refused, what keeps it passes."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from jaxtyping import Float, TypeCheckError

from analysis.models.loaded import LoadedModel
from tests.annotation_checks import checked

Rows = Float[np.ndarray, "row axis"]


@checked
def product(rows: Rows, weights: Float[np.ndarray, " axis"], scale: float = 1.0) -> Float[np.ndarray, " row"]:
    return rows @ weights * scale if scale else np.zeros(len(weights))


@checked
def joined(parts: list[Rows] | None, by: Callable[[Rows], float]) -> Rows:
    return np.concatenate(parts or [np.ones((1, 1))]) * by(np.ones((1, 1)))


@checked
def half(number: int) -> int:
    return number // 2 if number % 2 == 0 else number / 2


@checked
def drawn(count: int) -> Float[np.ndarray, "{count} axis"]:
    return np.zeros((min(count, 3), 2))


@checked
def each(values: Rows) -> Iterator[float]:
    yield from values[0]


@checked
@dataclass(frozen=True)
class Named:
    values: Rows
    name: str = field(default="it")

    @classmethod
    @checked
    def of(cls, values: Rows) -> "Named":
        return cls(values) if len(values) else None


@pytest.mark.parametrize(
    "call",
    [
        lambda: product(np.ones((2, 3)), np.ones(3), 2),
        lambda: joined(None, len),
        lambda: half(4),
        lambda: drawn(3),
        lambda: list(each(np.ones((1, 2)))),
        lambda: Named(np.ones((1, 2)), name="other"),
        lambda: Named.of(np.ones((1, 2))),
    ],
)
def test_what_keeps_its_annotations_passes(call):
    call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: product(np.ones((2, 3)), np.ones(2)),
        lambda: product(np.ones(3), np.ones(3)),
        lambda: product(np.ones((2, 3), int), np.ones(3)),
        lambda: product(np.ones((2, 3)), np.ones(3), "much"),
        lambda: product(np.ones((2, 3)), np.ones(3), 0),
        lambda: joined([np.ones(2)], len),
        lambda: joined(None, 3),
        lambda: half(3),
        lambda: half(2.0),
        lambda: drawn(4),
        lambda: each(np.ones(2)),
        lambda: Named(np.ones(2)),
        lambda: Named(np.ones((1, 2)), name=3),
        lambda: Named.of(np.ones(2)),
    ],
)
def test_what_breaks_them_is_refused(call):
    with pytest.raises(TypeCheckError):
        call()


def test_one_call_says_nothing_about_the_sizes_of_another():
    for width in (2, 3):
        assert product(np.ones((width, 4)), np.ones(4)).shape == (width,)


@pytest.mark.usefixtures("unchecked")
def test_nothing_is_checked_where_a_test_wants_it_so():
    assert half(3) == 1.5
    assert product(np.ones((2, 3)), np.ones(3), 0).shape == (3,)


def test_the_analysis_is_checked(toy):
    with pytest.raises(TypeCheckError):
        toy.tokenize(3)
    with pytest.raises(TypeCheckError):
        LoadedModel.read_out(toy, np.ones(toy.d_model))
    assert sys.modules["analysis"].__spec__.loader.__class__.__module__.startswith("jaxtyping")
