"""Dictionaries for the tests: random directions with an encoder that fits them."""

import numpy as np

from analysis.dictionaries.dictionary import SparseDictionary
from analysis.dictionaries.encoders import Encoder, JumpRelu
from analysis.edits import Site
from analysis.models.loaded import LoadedModel


def a_dictionary(
    model: LoadedModel, layer: int = 2, features: int = 41, kind: Encoder | None = None, seed: int = 0
) -> SparseDictionary:
    """Unit decoder rows, the same as encoder, and a threshold that leaves a few features active."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((features, model.d_model)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return SparseDictionary(
        f"Layer {layer}, {features} features",
        Site(layer),
        kind or JumpRelu(np.full(features, 0.5, np.float32)),
        np.ascontiguousarray(rows.T),
        np.zeros(features, np.float32),
        rows,
        np.zeros(model.d_model, np.float32),
        model.title,
    )
