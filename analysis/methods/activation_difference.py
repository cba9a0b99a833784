"""Directions from a difference of two states, or from none: no examples, no estimate."""

import numpy as np
from jaxtyping import Float32

from analysis.directions import Direction, weights_of
from analysis.errors import AnalysisError
from analysis.models.loaded import LoadedModel

ACTADD = "Turner et al. 2023, arXiv 2308.10248 (activation addition)"


def between_prompts(model: LoadedModel, plus: str, minus: str, *, chat: bool = False) -> Direction:
    """The difference of two prompts' last states, at every layer.

    The paper adds the differences of all positions to the first positions of a prompt; this is the one of the
    last token, to be added wherever a recipe says.

    Args:
        model: whose states are read.
        plus: the prompt towards which it points.
        minus: the prompt away from which it points.
        chat: put both into the chat template.

    Raises:
        AnalysisError: a prompt is empty or too long, or both end in the same states.

    Source: Turner et al. 2023, arXiv 2308.10248.
    Misleads when: the prompts differ in more than the concept; one pair cannot tell.
    """
    tokens = [model.tokenize(text, chat=chat) for text in (plus, minus)]
    if tokens[0].ids == tokens[1].ids:  # rows of one batch differ by rounding, which is no direction
        raise AnalysisError("Both prompts are the same, so nothing lies between them. Change one of them.")
    trace = model.run(tokens)
    states = np.stack([trace.residuals(row)[:, -1] for row in (0, 1)], axis=1)
    return _where_it_differs(
        model,
        f"{_short(plus)} minus {_short(minus)}",
        states[:, 0] - states[:, 1],
        model.n_layers // 2,
        f"The last token's state of the prompt {plus!r} minus that of {minus!r}.",
        ACTADD,
        "Two prompts say nothing about layers; this is the middle.",
    )


def between_cells(
    model: LoadedModel,
    states: Float32[np.ndarray, "layer position d_model"],
    plus: int,
    minus: int,
    layer: int,
    labels: tuple[str, ...],
) -> Direction:
    """The difference of two tokens' states in one text, at every layer where they differ.

    Args:
        model: whose states they are.
        states: the residual stream of the text, layers 0 to L.
        plus: position of the token whose state is the direction's head.
        minus: position of the token at its foot.
        layer: the layer it proposes.
        labels: the tokens as shown.

    Raises:
        AnalysisError: both are the same position, or one lies outside the text.

    Source: Turner et al. 2023, arXiv 2308.10248, within one text.
    Misleads when: it is read as one concept; two tokens differ in everything that was said between them.
    """
    if plus == minus or not (0 <= plus < len(labels) and 0 <= minus < len(labels)):
        raise AnalysisError(
            f"Choose two different tokens of the text, from 0 to {len(labels) - 1}; given {plus} and {minus}."
        )
    return _where_it_differs(
        model,
        f"{labels[plus]} minus {labels[minus]}",
        states[:, plus] - states[:, minus],
        layer,
        f"The state at token {plus} ({labels[plus]}) minus the state at token {minus} ({labels[minus]}) of one text.",
        ACTADD,
        "It is the layer that was looked at.",
    )


def _where_it_differs(
    model: LoadedModel, name: str, values: np.ndarray, layer: int, how: str, source: str, why: str
) -> Direction:
    """A direction at those layers where it is not zero."""
    kept = [i for i, vector in enumerate(values) if vector.any()]
    if not kept:
        raise AnalysisError("The two states are equal at every layer: they hold the same text up to there.")
    layer = min(kept, key=lambda candidate: abs(candidate - layer))
    return Direction(
        name=name,
        layers=tuple(kept),
        values=values[kept],
        weights=weights_of(model),
        how=how,
        source=source,
        layer=layer,
        why=why,
    )


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 24 else f"{words[:23]}…"
