"""A concept taken out of one model: an eraser for each layer it was fitted at, and where they come from."""

from dataclasses import dataclass

from analysis.directions import span, weights_of
from analysis.edits import Erase, Positions, Site
from analysis.erasers import ERASERS
from analysis.erasers.eraser import Eraser
from analysis.errors import AnalysisError
from analysis.models.loaded import LoadedModel


@dataclass(frozen=True, eq=False)
class Erasure:
    """Erasers of one concept, to be carried out together."""

    name: str
    """Of the concept."""
    layers: tuple[int, ...]
    """Ascending; 0 is the embedding, L the last block's output before the final norm."""
    erasers: tuple[Eraser, ...]
    """One for each of `layers`, all of one method."""
    weights: str
    """Which weights they were fitted in, as `weights_of(model)` says; empty where a file does not tell."""
    how: str
    """One sentence: from what, by which method, in which order."""
    positions: Positions = "all"
    """Tokens whose states are erased."""

    def __post_init__(self):
        if not self.layers or len(self.layers) != len(self.erasers):
            raise AnalysisError(
                f"An erasure needs one eraser per layer; given {len(self.erasers)} erasers for {len(self.layers)} "
                "layers."
            )
        if list(self.layers) != sorted(set(self.layers)) or self.layers[0] < 0:
            raise AnalysisError(f"An erasure's layers ascend from 0 on; given {self.layers}.")
        if len({(each.d, each.method) for each in self.erasers}) > 1:
            raise AnalysisError("The erasers of an erasure need one width and one method. Fit them together.")
        if self.method not in ERASERS:
            raise AnalysisError(f"{self.method!r} is no eraser; there are {', '.join(ERASERS)}.")

    def __str__(self) -> str:
        """Everything about it in one line."""
        where = f"layers {span(self.layers)}, positions {self.positions}"
        return f"erase {self.name} ({self.how}), rank {self.rank}, {where}"

    @property
    def method(self) -> str:
        """One of `ERASERS`."""
        return self.erasers[0].method

    @property
    def rank(self) -> int:
        """Dimensions taken out at the layer that loses most."""
        return max(each.rank for each in self.erasers)

    @property
    def source(self) -> str:
        """Authors, year, arXiv of the method."""
        return ERASERS[self.method].source

    def at(self, layer: int) -> Eraser:
        """The eraser of one layer.

        Raises:
            AnalysisError: it has none there.
        """
        if layer not in self.layers:
            raise AnalysisError(f"{self.name!r} is not erased at layer {layer}, but at {span(self.layers)}.")
        return self.erasers[self.layers.index(layer)]

    def edits(self) -> tuple[Erase, ...]:
        """The edits, one per layer."""
        return tuple(
            Erase(Site(layer), each.mean, each.left, each.right, self.positions)
            for layer, each in zip(self.layers, self.erasers, strict=True)
        )

    def require_fit(self, model: LoadedModel) -> None:
        """Refuse a model it does not belong to.

        Raises:
            AnalysisError: widths, layers or weights differ; the sentence says which.
        """
        width, last = self.erasers[0].d, self.layers[-1]
        if width != model.d_model or last > model.n_layers:
            raise AnalysisError(
                f"The erasure of {self.name!r} acts on {width} numbers up to layer {last}, and {model.title} has "
                f"{model.d_model} numbers and layers 0 to {model.n_layers}: it was fitted in another model. Fit it "
                "again on this one."
            )
        if self.weights and self.weights != weights_of(model):
            raise AnalysisError(
                f"The erasure of {self.name!r} was fitted in {self.weights}, not in {weights_of(model)}. Fit it "
                "again on this model."
            )
