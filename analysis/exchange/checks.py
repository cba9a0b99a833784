"""What is asked of every file and every value in it: limits, and words for what is wrong.

Checks raise `Wrong`, which `reading` and `writing` turn into an `AnalysisError`.
"""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, get_args

import numpy as np
from jaxtyping import Float32

from analysis import store
from analysis.edits import Part, Positions
from analysis.errors import AnalysisError

MOST_BYTES = 64_000_000
"""Of a file; a direction through all layers of the largest open models takes 9 million."""
MOST_HEADER = 4_000_000
"""Bytes of a safetensors header, which is parsed into objects many times its size."""
MOST_LAYERS = 1_000
MOST_DOSES = 200
MOST_ERASURES = 200
MOST_POSITIONS = 10_000
MOST_TEXT = 10_000
"""Characters of one text in a file."""

Arrays = dict[str, np.ndarray]
Content = dict[str, Any]
"""A direction, an erasure or a recipe as JSON holds it, without its arrays."""


class Wrong(Exception):
    """What is wrong with a file in a few words, and what to do."""

    def __init__(self, what: str, do: str = "Export or download the file again."):
        super().__init__(what)
        self.do = do


@contextmanager
def reading(name: str = "") -> Iterator[None]:
    """Around reading a file: what is `Wrong` with it becomes a sentence for the user."""
    file = f"The file {shown(name)}" if name else "The file"
    try:
        yield
    except Wrong as wrong:
        raise AnalysisError(f"{file} cannot be read: {wrong}. {wrong.do}") from wrong
    except RecursionError as error:
        raise AnalysisError(f"{file} cannot be read: its lists lie too deep in each other.") from error


@contextmanager
def writing(name: str) -> Iterator[None]:
    """Around preparing a file: what would be `Wrong` with it becomes a sentence for the user."""
    try:
        yield
    except Wrong as wrong:
        raise AnalysisError(f"{shown(name)} cannot be written: {wrong}.") from wrong


def require_size(data: bytes) -> None:
    """There is something, and not too much of it."""
    if not data:
        raise Wrong("it is empty")
    if len(data) > MOST_BYTES:
        raise Wrong(
            f"it has {store.size_text(len(data))}; directions are read from up to {store.size_text(MOST_BYTES)}",
            "Give a file with directions, not a model.",
        )


def require_fields(content: Any, what: str, fields: tuple[str, ...]) -> None:
    """These fields, all of them and no others."""
    if not isinstance(content, dict) or set(content) != set(fields):
        found = ", ".join(map(shown, list(content)[:9])) if isinstance(content, dict) else shown(content)
        raise Wrong(f"its {what} has {found}; expected {', '.join(fields)}")


def items(content: Any, what: str, most: int) -> list[Any]:
    """A list of up to so many entries."""
    if not isinstance(content, list) or len(content) > most:
        count = f"{len(content):,} entries" if isinstance(content, list) else shown(content)
        raise Wrong(f"its list of {what} has {count}; expected a list of up to {most:,}")
    return content


def text(content: Any, what: str) -> str:
    """A text that is not too long."""
    if not isinstance(content, str) or len(content) > MOST_TEXT:
        raise Wrong(f"its {what} is {shown(content)}; expected a text of up to {MOST_TEXT:,} characters")
    return content


def choice(content: Any, what: str, choices: tuple[str, ...]) -> Any:
    """One of these words."""
    if not isinstance(content, str) or content not in choices:
        raise Wrong(f"its {what} is {shown(content)}; expected one of {', '.join(choices)}")
    return content


def whole(content: Any, what: str, most: int) -> int:
    """A whole number from 0 on."""
    if type(content) is not int or not 0 <= content <= most:
        raise Wrong(f"a {what} is {shown(content)}; expected a whole number from 0 to {most:,}")
    return content


def layer(content: Any) -> int:
    """A layer's number."""
    return whole(content, "layer", MOST_LAYERS)


def number(content: Any, what: str, low: float = -math.inf, high: float = math.inf) -> float:
    """A finite number in a range."""
    plain = type(content) in (int, float) and abs(content) < 1e300  # no NaN, no infinity, nothing huge
    if not plain or not low <= content <= high:
        raise Wrong(f"a value of its {what} is {shown(content)}; expected a number from {low:g} to {high:g}")
    return float(content)


def positions(content: Any) -> Positions:
    """Which tokens an edit touches."""
    if isinstance(content, str):
        return choice(content, "positions", get_args(Part))
    return tuple(
        whole(position, "position", 10**9) for position in items(content, "positions", MOST_POSITIONS)
    )


def array(arrays: Arrays, name: str, axes: int) -> Float32[np.ndarray, "..."]:
    """The array of this name, with so many axes."""
    if name not in arrays or arrays[name].ndim != axes:
        found = list(arrays[name].shape) if name in arrays else "missing"
        raise Wrong(f"its tensor {shown(name)} is {found}; expected {axes} axes")
    return arrays[name]


def usable(values: Float32[np.ndarray, "layer d_model"]) -> Float32[np.ndarray, "layer d_model"]:
    """The vectors, each of which must have a length that 32 bits can hold, or it cannot be made a unit."""
    with np.errstate(over="ignore", invalid="ignore"):
        sizes = np.linalg.norm(values, axis=1)
    bad = sizes[~(np.isfinite(sizes) & (sizes > 0))]
    if len(bad):
        raise Wrong(
            f"{len(bad)} of its {len(values)} vectors have no usable length ({bad[0]:g}); expected finite numbers "
            "that are not all zero",
            "Build the direction again.",
        )
    return values


def parsed(text: str) -> Any:
    """What a text holds as JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Wrong(f"its metadata is no JSON ({error})") from error


def a(kind: str) -> str:
    """The word with its article."""
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def shown(value: Any) -> str:
    """A value in a few words, however long it is."""
    if isinstance(value, (list, dict)):
        return f"a {type(value).__name__} of {len(value):,}"
    text = repr(value)
    return text if len(text) <= 90 else f"{text[:80]}..."
