"""What dictionaries with weights of their own have in common: rows that are added up over a bias."""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from analysis.dictionaries.fit import require_fits
from analysis.edits import Site
from analysis.models.loaded import LoadedModel


class Decoder:
    """The half of a dictionary that turns activations into states: bias + activations @ decoder."""

    site: Site
    model: str
    decoder: Float32[np.ndarray, "feature width"]
    bias: Float32[np.ndarray, " width"]
    fingerprint: str
    _tensors: Mapping[str, Tensor]
    """`decoder` and `bias`, and what its encoder needs."""

    @property
    def id(self) -> str:
        """The first digits of its fingerprint."""
        return self.fingerprint[:12]

    @property
    def features(self) -> int:
        """How many there are."""
        return self.decoder.shape[0]

    @property
    def width(self) -> int:
        """Numbers of a state at the site."""
        return self.decoder.shape[1]

    def decode(self, activations: Float[Tensor, "point feature"]) -> Float[Tensor, "point width"]:
        """Bias + activations @ decoder; float32."""
        return torch.addmm(
            self._on(activations, "bias"), activations.float(), self._on(activations, "decoder")
        )

    def directions(self, features: list[int]) -> Float32[np.ndarray, "chosen width"]:
        """Decoder rows: what one unit of each of these features adds at the site."""
        return self.decoder[features]

    def require_fit(self, model: LoadedModel) -> None:
        """Refuse a model it was not made for.

        Raises:
            AnalysisError: another model, a layer that does not exist, or states of another width.
        """
        require_fits(model, self.model, self.site, self.width)

    def _on(self, like: Tensor, name: str) -> Tensor:
        return self._tensors[name].to(like.device)
