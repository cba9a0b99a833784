"""The neurons of a block's MLP as a dictionary: there on every model, without training, and without an error."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from analysis.edits import Site
from analysis.errors import AnalysisError
from analysis.fingerprint import fingerprint
from analysis.models.loaded import LoadedModel


@dataclass(frozen=True)
class Neurons:
    """One feature for every neuron behind the nonlinearity of one block's MLP; its activation is the neuron's.

    Misleads when: it is read as sparse. With SwiGLU and GELU every neuron has some activation, of either sign, at every
        token, and one neuron takes part in many things (Elhage et al. 2022, arXiv 2209.10652).
    """

    model_fingerprint: str
    model: str
    """Title of the model."""
    layer: int
    """Block, 1 to L."""
    features: int

    signed = True

    @property
    def site(self) -> Site:
        """Where they are read, and changed."""
        return Site(self.layer, "neurons")

    @property
    def name(self) -> str:
        """For the person."""
        return f"Layer {self.layer}, the MLP's {self.features:,} neurons"

    @cached_property
    def fingerprint(self) -> str:
        """One name for them."""
        return fingerprint("neurons", self.model_fingerprint, self.layer)

    @property
    def id(self) -> str:
        """Stands in links."""
        return f"neurons.{self.layer}"

    @property
    def width(self) -> int:
        """Numbers of a state at the site: one for each neuron."""
        return self.features

    def encode(self, x: Float[Tensor, "point width"]) -> Float[Tensor, "point feature"]:
        """The neurons' own activations."""
        return x.float()

    def decode(self, activations: Float[Tensor, "point feature"]) -> Float[Tensor, "point width"]:
        """The same numbers."""
        return activations.float()

    def directions(self, features: list[int]) -> Float32[np.ndarray, "chosen width"]:
        """Unit vectors: a neuron is an axis of its site."""
        return torch.nn.functional.one_hot(torch.tensor(features), self.features).float().numpy()

    def require_fit(self, model: LoadedModel) -> None:
        """Refuse another model.

        Raises:
            AnalysisError: these are not its neurons.
        """
        if self.model_fingerprint != model.fingerprint:
            raise AnalysisError(
                f"These are the neurons of {self.model} in another precision or revision, or of another model; the "
                f"loaded model is {model.title}. Choose its own neurons."
            )


def neurons(model: LoadedModel, layer: int) -> Neurons:
    """The neurons of block `layer`, 1 to L.

    Raises:
        AnalysisError: there is no such block, or the family keeps its neurons in experts.
    """
    sites = model.neuron_sites()
    if not sites:
        raise AnalysisError(f"{model.title} keeps its neurons in experts, which cannot be read.")
    if not 1 <= layer <= len(sites):
        raise AnalysisError(f"{model.title} has neurons at layers 1 to {len(sites)}; given layer {layer}.")
    return Neurons(model.fingerprint, model.title, layer, model.n_neurons)
