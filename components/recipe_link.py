"""A recipe as a link holds it: names of directions and erasures and settings, no vectors.

A direction is named by how it can be had again: `preset.sentiment`, `token.504.-.euclidean` (a token, against
another or `-`, inner product), `random.7`, or `kept.` and its key in the library of the machine, with a number
behind it where the key is a recipe's. `erased.` and a key is an erasure of the library, and such a number behind
it counts that recipe's erasures. Of a row's settings an erasure has the tokens only.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

from analysis.edits import Part, Positions, Stream
from analysis.recipes import OPERATIONS, STRONGEST

MOST_DOSES = 6
"""Rows of the editor; a recipe of more is not understood by anybody."""
REFERENCE = re.compile(
    r"preset\.[a-z]{1,20}|(kept|erased)\.[A-Za-z0-9-]{4,64}(\.[0-9])?|random\.[0-9]{1,9}"
    r"|token\.[0-9]{1,9}\.(-|[0-9]{1,9})\.(euclidean|causal)"
)
ERASED = "erased."
"""How the references of erasures begin."""
PARTS = get_args(Part)
FIRST_STRENGTH = 0.2


@dataclass(frozen=True)
class DoseView:
    """One row of the editor."""

    reference: str
    """Which direction or erasure: see `REFERENCE`."""
    operation: str = "add"
    strength: float = FIRST_STRENGTH
    layers: tuple[int, int] | None = None
    """First and last; None is the layer the direction proposes."""
    positions: Positions = "all"
    stream: Stream = "residual"

    @property
    def erases(self) -> bool:
        """True if the row is an erasure."""
        return self.reference.startswith(ERASED)


def to_text(doses: Iterable[DoseView]) -> str:
    """The recipe in one query parameter."""
    return "~".join(map(_dose_text, doses))


def _dose_text(dose: DoseView) -> str:
    layers = "" if dose.layers is None else f"{dose.layers[0]}-{dose.layers[1]}"
    at = dose.positions if isinstance(dose.positions, str) else "_".join(map(str, dose.positions))
    site = "" if dose.stream == "residual" else f"*{dose.stream}"
    return f"{dose.reference}*{dose.operation}*{dose.strength:g}*{layers}*{at}{site}"


def from_text(text: str) -> tuple[DoseView, ...]:
    """The recipe a query parameter means; rows that make no sense are dropped."""
    rows = [_dose_of(part) for part in text.split("~")[:MOST_DOSES]]
    return tuple(row for row in rows if row is not None)


def _dose_of(text: str) -> DoseView | None:
    parts = text.split("*")
    parts += ["residual"] * (len(parts) == 5)
    if len(parts) != 6 or not REFERENCE.fullmatch(parts[0]):
        return None
    if parts[1] not in OPERATIONS or parts[5] not in get_args(Stream):
        return None
    if not re.fullmatch(r"-?[0-9]{1,3}(\.[0-9]{1,6})?", parts[2]) or abs(float(parts[2])) > STRONGEST:
        return None
    positions = _positions(parts[4])
    if positions is None or not re.fullmatch(r"([0-9]{1,4}-[0-9]{1,4})?", parts[3]):
        return None
    first, last = map(int, parts[3].split("-")) if parts[3] else (0, 0)
    layers = (first, max(first, last)) if parts[3] else None
    return DoseView(parts[0], parts[1], float(parts[2]), layers, positions, parts[5])


def _positions(text: str) -> Positions | None:
    if text in PARTS:
        return text  # type: ignore[return-value]
    if re.fullmatch(r"[0-9]{1,6}(_[0-9]{1,6}){0,63}", text):
        return tuple(dict.fromkeys(map(int, text.split("_"))))
    return None
