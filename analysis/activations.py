"""What a run read."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float32

from analysis.edits import Site
from analysis.errors import AnalysisError
from analysis.tokens import Tokens


@dataclass(frozen=True)
class Row:
    """One row of the batch: which prompt ran under which variant."""

    prompt: int
    """Index into the prompts of the run."""
    variant: str
    """Name of the `Variant`; `base` is the unedited run."""


@dataclass(frozen=True, eq=False)
class Trace:
    """What a run read: activations of every asked site for every row, read-only, on the CPU."""

    model: str
    """Fingerprint of the model that ran."""
    rows: tuple[Row, ...]
    tokens: tuple[Tokens, ...]
    """The tokens of each row; rows of one prompt share them."""
    sites: tuple[Site, ...]
    values: Float32[np.ndarray, "site row position d_model"]
    """Activations; zero where `mask` is False."""
    mask: Bool[np.ndarray, "row position"]
    """True where a row has a token: rows are padded on the right, and padding is never averaged."""
    neurons: Mapping[Site, Float32[np.ndarray, "row position neuron"]] = field(default_factory=dict)
    """Activations of the sites that are as wide as the MLP; zero where `mask` is False."""
    _index: dict[Site, int] = field(init=False, repr=False)

    def __post_init__(self):
        self.values.flags.writeable = False
        self.mask.flags.writeable = False
        for values in self.neurons.values():
            values.flags.writeable = False
        object.__setattr__(self, "_index", {site: i for i, site in enumerate(self.sites)})

    def at(self, site: Site, row: int = 0) -> Float32[np.ndarray, "position width"]:
        """Activations of one row at one site, its padding cut off.

        Raises:
            AnalysisError: the site was not read in this run.
        """
        if site in self.neurons:
            return self.neurons[site][row, : len(self.tokens[row])]
        return self.values[self.index(site), row, : len(self.tokens[row])]

    def residuals(self, row: int = 0) -> Float32[np.ndarray, "layer position d_model"]:
        """The residual stream of one row at layers 0 to L, its padding cut off."""
        layers = sorted(site.layer for site in self.sites if site.stream == "residual")
        if layers != list(range(len(layers))) or not layers:
            raise AnalysisError(f"This needs the residual stream of every layer; layers {layers} were read.")
        index = [self.index(Site(layer)) for layer in layers]
        return self.values[index, row, : len(self.tokens[row])]

    def row(self, variant: str, prompt: int = 0) -> int:
        """Index of the row in which a prompt ran under a variant."""
        wanted = Row(prompt, variant)
        if wanted not in self.rows:
            names = ", ".join(sorted({row.variant for row in self.rows}))
            raise AnalysisError(f"No row ran prompt {prompt} under {variant!r}; the variants are {names}.")
        return self.rows.index(wanted)

    def index(self, site: Site) -> int:
        """Index of a site along the first axis of `values`.

        Raises:
            AnalysisError: the site was not read in this run.
        """
        if site not in self._index:
            raise AnalysisError(f"{site} was not read in this run. Ask for it: run(..., read=[{site!r}]).")
        return self._index[site]
