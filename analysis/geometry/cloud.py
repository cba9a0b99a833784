"""States of many tokens at every layer, each with its text and its place there: what geometry is measured on."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import numpy as np
from jaxtyping import Float32, Int64

from analysis.directions import span
from analysis.errors import AnalysisError

Made = TypeVar("Made")


@dataclass(frozen=True, eq=False)
class Cloud:
    """Points, text after text and each text's in their order, at every layer that was read."""

    name: str
    layers: tuple[int, ...]
    values: Float32[np.ndarray, "layer every d_model"]
    """Of all points that were read; may be mapped from disk."""
    rows: Int64[np.ndarray, " point"]
    """Of those, the ones that count."""
    text: Int64[np.ndarray, " point"]
    """Number of each point's text, ascending."""
    position: Int64[np.ndarray, " point"]
    """Its place in the text, counted from 0; ascending within a text, with gaps where points were left out."""
    token: Int64[np.ndarray, " point"]
    """Id of its token."""
    shown: tuple[str, ...]
    """The token, as shown on screen."""
    labels: tuple[str, ...] = ()
    """Class of each point; empty where there are none."""
    left_out: int = 0
    """First tokens and outliers of norm that do not count."""
    outlying: tuple[str, ...] = ()
    """Those of them that are no first tokens, as shown on screen."""
    key: str = ""
    """One name for these points: whatever is measured on them belongs to it."""
    _made: dict = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        """Points that count."""
        return len(self.rows)

    @property
    def d_model(self) -> int:
        """Numbers of a state."""
        return self.values.shape[2]

    def left_out_in_words(self) -> str:
        """How many points do not count, and which they are."""
        if not self.outlying:
            return f"{self.left_out:,} (first tokens)" if self.left_out else "none"
        often = ", ".join(f"{token} {count}" for token, count in Counter(self.outlying).most_common(3))
        outlying = len(self.outlying)
        return (
            f"{self.left_out:,} (first tokens {self.left_out - outlying:,}; norms far above the rest at some layer "
            f"{outlying:,}, most often {often})"
        )

    def at(self, layer: int) -> Float32[np.ndarray, "point d_model"]:
        """The states of one layer.

        Raises:
            AnalysisError: it was not read, or holds numbers that are not finite.
        """
        if layer not in self.layers:
            raise AnalysisError(f"Layer {layer} was not read; there are layers {span(self.layers)}.")
        every = self.values[self.layers.index(layer)]
        states = np.asarray(every) if len(self) == len(every) else np.asarray(every[self.rows])
        if not self.once(("finite", layer), lambda: bool(np.isfinite(states).all())):
            raise AnalysisError(
                f"Layer {layer} holds numbers that are not finite; nothing can be measured there."
            )
        return states

    def below(self, layer: int) -> int:
        """The next lower layer that was read.

        Raises:
            AnalysisError: there is none.
        """
        lower = [other for other in self.layers if other < layer]
        if not lower:
            raise AnalysisError(f"A step to layer {layer} needs a layer below it that was read, too.")
        return lower[-1]

    @cached_property
    def texts(self) -> tuple[slice, ...]:
        """The points of each text that has any."""
        edges = np.flatnonzero(np.diff(self.text)) + 1
        starts = [0, *edges.tolist()] if len(self) else []
        return tuple(slice(a, b) for a, b in zip(starts, [*starts[1:], len(self)], strict=True))

    def sample(self, most: int, seed: int = 0) -> Int64[np.ndarray, " sampled"]:
        """Numbers of at most so many points, ascending: all, or a draw that is the same at every layer."""
        if len(self) <= most:
            return np.arange(len(self))
        return np.sort(np.random.default_rng(seed).permutation(len(self))[:most])

    def once(self, what: object, make: Callable[[], Made]) -> Made:
        """What several measures need, made at the first call: small things only, they stay as long as the cloud.

        Args:
            what: a hashable name that says everything it depends on, such as ("spectrum", layer, centred).
            make: makes it.
        """
        if what not in self._made:
            self._made[what] = make()
        return self._made[what]


def standard_normal(cloud: Cloud, seed: int = 0) -> Cloud:
    """A cloud of the same shape in which every number is an independent standard normal draw: the finite-sample null.

    Only the lowest two of its layers exist, as all would be alike.
    """
    layers = cloud.layers[:2]
    values = np.random.default_rng(seed).standard_normal(
        (len(layers), len(cloud), cloud.d_model), dtype=np.float32
    )
    return Cloud(
        name="Gaussian",
        layers=layers,
        values=values,
        rows=np.arange(len(cloud)),
        text=cloud.text,
        position=cloud.position,
        token=cloud.token,
        shown=cloud.shown,
        labels=cloud.labels,
        key=f"{cloud.key} gaussian {seed}",
    )
