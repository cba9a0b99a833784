"""Shipped text as batches of windows, and the ordinary states a model has while reading it."""

import numpy as np
from jaxtyping import Bool, Float32

from analysis.models.loaded import LoadedModel
from analysis.tokens import Tokens

WINDOW = 128
"""Tokens of one context."""
OUTLIER = 8.0
"""States with a norm above this multiple of their layer's median are left out: one attention sink decides a mean."""


def windows(model: LoadedModel, texts: tuple[str, ...], length: int = WINDOW) -> list[list[Tokens]]:
    """Contexts of at most `length` tokens of every document."""
    length = min(length, model.context or length)
    return [_cut(model, model.tokenize(text).ids, length) for text in texts]


def _cut(model: LoadedModel, ids: tuple[int, ...], length: int) -> list[Tokens]:
    pieces = [ids[start : start + length] for start in range(0, len(ids), length)]
    return [model.tokenizer.tokens(piece, prompt_length=len(piece)) for piece in pieces if len(piece) > 8]


def batches(contexts: list[Tokens], size: int = 8) -> list[list[Tokens]]:
    """Contexts of similar length together."""
    by_length = sorted(contexts, key=len, reverse=True)
    return [by_length[start : start + size] for start in range(0, len(by_length), size)]


def usual_states(model: LoadedModel, batch: list[Tokens]) -> Float32[np.ndarray, "layer point d_model"]:
    """Residual states of a batch without first tokens, padding and outliers of norm."""
    trace = model.run(batch)
    states = trace.values[:, :, 1:][:, trace.mask[:, 1:]]
    return states[:, is_usual(states)]


def is_usual(states: Float32[np.ndarray, "layer point d_model"]) -> Bool[np.ndarray, " point"]:
    """True where a point's norm stays near its layer's median, at every layer: no attention sink."""
    return usual_norms(np.linalg.norm(states, axis=-1))


def usual_norms(norms: Float32[np.ndarray, "layer point"]) -> Bool[np.ndarray, " point"]:
    """The same of norms."""
    if not norms.shape[1]:
        return np.ones(0, bool)  # no points have no median
    return (norms <= OUTLIER * np.median(norms, axis=1, keepdims=True)).all(0)
