"""Directions read off the unembedding: what would write one token rather than another.

The last layer's logits are `W (g * h / rms(h))`, with g the final norm's gain, so the gradient of a difference
of logits with respect to the residual stream points along `g * (w_a - w_b)`.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float64

from analysis.causal import SOURCE, causal
from analysis.directions import Direction, weights_of
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel
from analysis.next_token import norm_gain


def towards_token(
    model: LoadedModel,
    token: int,
    against: int | None = None,
    *,
    product: Literal["euclidean", "causal"] = "euclidean",
    report: Report = silent,
) -> Direction:
    """The direction that raises one token's logit, against another's or the average token's.

    `euclidean` is the gradient of the logit difference. `causal` moves the state so that logits of tokens that
    are unrelated stay where they are: with S the covariance of the unembedding's rows, `S^-1 (w_a - w_b)` in
    the space after the final norm, divided by its gain to lie in the residual stream.

    Returns:
        One vector, the same at layers 0 to L; raw length.

    Raises:
        AnalysisError: a token does not exist, both are the same, or the final norm is followed by another map.

    Source: Park et al. 2023, arXiv 2311.03658.
    Misleads when: it is added early; later blocks read the residual stream in other ways than the unembedding.
    """
    for index in (token, *(() if against is None else (against,))):
        if not 0 <= index < model.vocabulary:
            raise AnalysisError(
                f"Token {index} does not exist: this vocabulary has {model.vocabulary:,} entries."
            )
    if token == against:
        raise AnalysisError("Both tokens are the same, so nothing lies between them. Choose another one.")
    report("Reading the unembedding")
    words = _unembedding(model)
    gain = norm_gain(model)
    difference = words[token] - (words.mean(0) if against is None else words[against])
    vector = gain * difference if product == "euclidean" else causal(words, difference) / gain
    label = model.tokenizer.label
    other = "the average token" if against is None else label(against)
    layer = round(0.75 * model.n_layers)
    return Direction(
        name=f"{label(token)} over {label(against)}" if against is not None else label(token),
        layers=tuple(range(model.n_layers + 1)),
        values=np.tile(vector.astype(np.float32), (model.n_layers + 1, 1)),
        weights=weights_of(model),
        how=(
            f"The unembedding of {label(token)} minus that of {other}, "
            f"{'with the causal inner product' if product == 'causal' else 'through the final norm’s gain'}."
        ),
        source=SOURCE,
        layer=layer,
        why="The unembedding reads the last layer, so its directions act late; no examples chose this one.",
    )


def _unembedding(model: LoadedModel) -> Float64[np.ndarray, "vocab d_model"]:
    return model.on_worker(lambda: model.parts.head.weight.double()).numpy()
