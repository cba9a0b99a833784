"""Directions: what a concept is in a model's representation, one vector for each layer it was found at.

A direction knows where it comes from in one sentence, how well it separates at every layer, and which layer
it proposes. What is done with it stands in a `Recipe`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from analysis.errors import AnalysisError
from analysis.models.loaded import LoadedModel


@dataclass(frozen=True)
class Separation:
    """How well a direction tells its two sides apart at one layer, on examples it was not built from."""

    layer: int
    accuracy: float
    """Share of held-out examples on the right side of the midpoint, 0 to 1; chance is 0.5."""
    error: float
    """Standard error of `accuracy` over the held-out examples."""
    shuffled: float
    """The same with the labels shuffled: what the procedure finds where there is nothing."""
    gap: float
    """Distance of the two held-out means along the direction, in their pooled standard deviations."""


@dataclass(frozen=True, eq=False)
class Probe:
    """A linear reading of the concept at one layer, built from other examples than the direction."""

    layer: int
    weights: Float32[np.ndarray, " d_model"]
    middle: float
    """Projection halfway between the two sides."""
    half_gap: float
    """Projection from the middle to either side's mean; positive."""

    def __post_init__(self):
        object.__setattr__(self, "weights", _frozen(self.weights))

    def score(self, states: Float32[np.ndarray, "*points d_model"]) -> Float32[np.ndarray, "*points"]:
        """Where states lie between the sides: -1 is the negative examples' mean, +1 the positive ones'."""
        return ((states @ self.weights - self.middle) / self.half_gap).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Direction:
    """One named direction, with a vector at one or several layers of one model."""

    name: str
    layers: tuple[int, ...]
    """Ascending; layer 0 is the embedding, L the last block's output before the final norm."""
    values: Float32[np.ndarray, "layer d_model"]
    """One vector per entry of `layers`, in the stream's units; recipes use them at unit length."""
    weights: str
    """Which weights it was found in, as `weights_of(model)` says; empty where a file does not tell."""
    how: str
    """One sentence: from what, by which method."""
    source: str
    """Authors, year, arXiv of the method."""
    layer: int
    """The layer it proposes to act at; one of `layers`."""
    why: str
    """Why that layer, in one sentence."""
    separation: tuple[Separation, ...] = ()
    """By layer, for directions built from examples."""
    probe: Probe | None = None
    """Reads the concept independently of this direction; None where there are no examples to build it from."""

    def __post_init__(self):
        values = _frozen(self.values)
        object.__setattr__(self, "values", values)
        if values.ndim != 2 or len(values) != len(self.layers) or not self.layers:
            raise AnalysisError(
                f"A direction needs one vector per layer; given {len(self.layers)} layers and values of shape "
                f"{values.shape}."
            )
        if list(self.layers) != sorted(set(self.layers)) or self.layers[0] < 0:
            raise AnalysisError(f"A direction's layers ascend from 0 on; given {self.layers}.")
        bad = [layer for layer, vector in zip(self.layers, values, strict=True) if not _usable(vector)]
        if bad:
            raise AnalysisError(
                f"The direction {self.name!r} needs vectors of finite numbers that are not all zero; at layer "
                f"{bad[0]} it has none. Build it again, or check the file it comes from."
            )
        if self.layer not in self.layers:
            raise AnalysisError(f"The proposed layer {self.layer} is none of the direction's: {self.layers}.")

    @property
    def d_model(self) -> int:
        """Numbers in each vector."""
        return self.values.shape[1]

    def at(self, layer: int) -> Float32[np.ndarray, " d_model"]:
        """The vector at one layer, as found.

        Raises:
            AnalysisError: it has none there.
        """
        if layer not in self.layers:
            raise AnalysisError(
                f"The direction {self.name!r} has no vector at layer {layer}; it has layers {span(self.layers)}."
            )
        return self.values[self.layers.index(layer)]

    def unit(self, layer: int) -> Float32[np.ndarray, " d_model"]:
        """The vector at one layer, at length 1."""
        vector = self.at(layer)
        return vector / np.linalg.norm(vector)

    def require_fit(self, model: LoadedModel) -> None:
        """Refuse a model the direction does not belong to.

        Raises:
            AnalysisError: widths, layers or weights differ; the sentence says which.
        """
        if self.d_model != model.d_model:
            raise AnalysisError(
                f"The direction {self.name!r} has {self.d_model} numbers per layer and {model.title} needs "
                f"{model.d_model}: it was found in another model. Build it again on this one."
            )
        if self.layers[-1] > model.n_layers:
            raise AnalysisError(
                f"The direction {self.name!r} reaches up to layer {self.layers[-1]} and {model.title} has layers "
                f"0 to {model.n_layers}: it was found in another model. Build it again on this one."
            )
        if self.weights and self.weights != weights_of(model):
            raise AnalysisError(
                f"The direction {self.name!r} was found in {self.weights}, not in {weights_of(model)}. "
                "Build it again on this model."
            )


def weights_of(model: LoadedModel) -> str:
    """Name and revision of a model's weights: what a direction belongs to, in whatever precision they run."""
    return f"{model.title} ({model.revision})"


def span(layers: tuple[int, ...]) -> str:
    """Layers as a person writes them: `0 to 30`, or a list where some are missing."""
    first, last = layers[0], layers[-1]
    if len(layers) > 2 and len(layers) == last - first + 1:
        return f"{first} to {last}"
    return ", ".join(map(str, layers))


def _usable(vector: np.ndarray) -> bool:
    return 0 < float(np.linalg.norm(vector)) < np.inf  # also False where a number is not finite


def _frozen(values: np.ndarray) -> np.ndarray:
    copied = np.array(values, dtype=np.float32, order="C")
    copied.flags.writeable = False
    return copied
