"""What a lens grid shows, as plain data, and what its browser half may answer.

Axes: `layer` grows upward from the embedding (index 0), `position` runs along the prompt,
`k` ranks the words of one cell, most probable first.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from components.ramps import KINDS, MODES, ramp

LONGEST_WORD = 120  # characters that travel; a model can be made to say a word of 10,000
UNDEFINED = -1  # the shade of a cell whose value is not a number


@dataclass(frozen=True)
class GridToken:
    """One column: the token as shown (spaces visible) and what is known of it."""

    label: str
    special: bool = False
    generated: bool = False
    detail: str = ""


@dataclass(frozen=True)
class ColorScale:
    """How a value becomes a colour.

    Args:
        kind: "sequential", "diverging" (centred at zero) or "binary" (0 or 1).
        low, high: the values at the two ends; outside them the colour stays at the end.
        reverse: the strong colour stands at `low` (an entropy of 0 is the sure cell).
        log: equal ratios get equal steps; needs `low > 0`.
    """

    kind: str
    low: float
    high: float
    reverse: bool = False
    log: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"The scale is one of {', '.join(KINDS)}, not {self.kind!r}.")
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"A scale runs from low to high, not {self.low} to {self.high}.")
        if self.log and (self.kind != "sequential" or self.low <= 0):
            raise ValueError("A logarithmic scale is sequential and starts above zero.")

    @property
    def ends(self) -> tuple[float, float]:
        """The values at the two ends of the ramp; a diverging scale reaches equally far."""
        if self.kind == "diverging":
            reach = max(abs(self.low), abs(self.high))
            return -reach, reach
        return self.low, self.high

    def shade(self, value: np.ndarray) -> np.ndarray:
        """Which stop of the ramp each value gets; `UNDEFINED` where it is not finite."""
        last = len(ramp(self.kind, MODES[0])) - 1
        low, high = self.ends
        defined = np.isfinite(value)
        share = np.clip(np.where(defined, value, low).astype(np.float64), low, high)
        if self.log:
            low, high, share = math.log(low), math.log(high), np.log(share)
        share = (share - low) / (high - low)
        stop = np.floor((1 - share if self.reverse else share) * last + 0.5).astype(np.int32)
        return np.where(defined, stop, UNDEFINED)

    def colors(self, mode: str) -> tuple[tuple[str, str], ...]:
        """The (fill, ink) pairs that `shade` points into, for "light" or "dark"."""
        return ramp(self.kind, mode)


@dataclass(frozen=True, eq=False)
class GridData:
    """Every cell of a grid: its words, their probabilities and the value behind its colour.

    Args:
        fingerprint: which result this is; the browser's answers carry it back.
        title, unit, alt: the name, the unit of `value`, and the picture in words.
        tokens: one per position.
        layers: ascending layer numbers, one per row.
        words: the distinct words as shown.
        top: int32 [layer, position, k], indices into `words`.
        probability: float32 [layer, position, k], 0 to 1.
        value: float32 [layer, position]; NaN where not defined.
        value_label: what `value` is, e.g. "entropy (bits)".
        scale: how `value` becomes a colour.

    Raises:
        ValueError: when shapes disagree or an index points outside `words`.
    """

    fingerprint: str
    title: str
    unit: str
    alt: str
    tokens: tuple[GridToken, ...]
    layers: tuple[int, ...]
    words: tuple[str, ...]
    top: np.ndarray
    probability: np.ndarray
    value: np.ndarray
    value_label: str
    scale: ColorScale

    def __post_init__(self) -> None:
        if not self.tokens or not self.layers:
            raise ValueError("A grid has at least one token and one layer.")
        if list(self.layers) != sorted(set(self.layers)):
            raise ValueError(f"Layers ascend without repetition, unlike {self.layers}.")
        for name, dtype in (("top", np.int32), ("probability", np.float32), ("value", np.float32)):
            object.__setattr__(self, name, _read_only(getattr(self, name), dtype))
        self._check_shapes()

    def _check_shapes(self) -> None:
        cells = (len(self.layers), len(self.tokens))
        if self.value.shape != cells:
            raise ValueError(f"value is [layer, position] {cells}, not {self.value.shape}.")
        if self.top.ndim != 3 or self.top.shape[:2] != cells or self.top.shape[2] == 0:
            raise ValueError(f"top is [layer, position, k] {(*cells, 'k')}, not {self.top.shape}.")
        if self.probability.shape != self.top.shape:
            raise ValueError(f"probability {self.probability.shape} is not top {self.top.shape}.")
        if self.top.min() < 0 or self.top.max() >= len(self.words):
            raise ValueError(f"top points outside the {len(self.words)} words.")

    @cached_property
    def shade(self) -> np.ndarray:
        """int32 [layer, position]: the stop of the ramp of each cell."""
        return self.scale.shade(self.value)

    def word(self, row: int, position: int, rank: int = 0) -> str:
        """The word of one cell, ready to be drawn; `row` counts from the lowest layer."""
        return drawable(self.words[self.top[row, position, rank]])

    def as_json(self) -> str:
        """The grid as the browser reads it: flat arrays, four significant digits, ASCII."""
        return self._json

    @cached_property
    def _json(self) -> str:
        low, high = self.scale.ends
        return json.dumps(
            {
                "fingerprint": self.fingerprint,
                "title": drawable(self.title),
                "alt": drawable(self.alt),
                "unit": "" if self.unit in self.value_label else drawable(self.unit),
                "valueLabel": drawable(self.value_label),
                "tokens": [token_as_json(token) for token in self.tokens],
                "layers": self.layers,
                "words": [drawable(word) for word in self.words],
                "k": self.top.shape[2],
                "top": self.top.ravel().tolist(),
                "probability": _four_digits(self.probability),
                "value": _four_digits(self.value),
                "shade": self.shade.ravel().tolist(),
                "scale": {
                    "kind": self.scale.kind,
                    "low": low,
                    "high": high,
                    "reverse": self.scale.reverse,
                    "log": self.scale.log,
                },
                "palette": {mode: self.scale.colors(mode) for mode in MODES},
            },
            separators=(",", ":"),
            allow_nan=False,
        )


def token_as_json(token: GridToken) -> dict[str, object]:
    """One token as the browser reads it."""
    return {
        "label": drawable(token.label),
        "detail": drawable(token.detail),
        "special": bool(token.special),
        "generated": bool(token.generated),
    }


def drawable(text: str) -> str:
    """Text that any picture can hold: bounded, control characters shown as their symbols.

    NUL and its kin are illegal in XML, lone surrogates in UTF-8. The rest of what is hostile
    (markup, direction overrides) is harmless as text and is left as the model said it.
    """
    if len(text) > LONGEST_WORD:
        text = text[: LONGEST_WORD - 1] + "…"
    return _UNDRAWABLE.sub(_symbol, text)


_UNDRAWABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def _symbol(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)  # the row of control pictures: ␀ ␁ ␂ ...
    return "␡" if code == 0x7F else "\ufffd"


# What comes back from a browser can be stale, or forged: it is read, never trusted.


def chosen_cell(
    event: object, fingerprint: str, positions: int, layers: tuple[int, ...]
) -> tuple[int, int] | None:
    """The (position, layer) that a grid's event names, or None if it does not fit this grid."""
    position = chosen_position(event, fingerprint, positions)
    layer = _whole(event, "layer")
    return (position, layer) if position is not None and layer in layers else None


def chosen_position(event: object, fingerprint: str, positions: int) -> int | None:
    """The position that an event names, or None if it does not fit the tokens shown."""
    if not isinstance(event, Mapping) or event.get("fingerprint") != fingerprint:
        return None
    position = _whole(event, "position")
    return position if position is not None and 0 <= position < positions else None


def event_number(event: object) -> int | None:
    """The running number the browser gave to this event, by which a repetition is known."""
    return _whole(event, "number")


def _whole(event: object, name: str) -> int | None:
    """A whole number out of an event. JSON has one number type, so 3.0 counts as 3."""
    value = event.get(name) if isinstance(event, Mapping) else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _four_digits(values: np.ndarray) -> list[float | None]:
    """Numbers as short as a reader needs; null where there is none."""
    return [float(f"{value:.4g}") if math.isfinite(value) else None for value in values.ravel().tolist()]


def _read_only(values: np.ndarray, dtype: type) -> np.ndarray:
    values = np.array(values, dtype=dtype)
    values.flags.writeable = False
    return values
