"""The prompt among the texts: where its states belong on a map it had no part in."""

import numpy as np

from analysis import LoadedModel, Tokens
from analysis.fingerprint import fingerprint
from analysis.jobs import Job, Report
from analysis.methods.corpus_map import CorpusMap, place
from analysis.places import EACH
from components.corpus_map.picture import LONGEST_LABEL
from components.corpus_map.reading import Read
from components.point_map import Extra
from components.requests import held, trace_of

NAME = "the prompt"
WHERE = {
    "last": "its last token",
    "mean": "the mean over all its tokens but the first",
    "span": "the cursor's token",
    EACH: "every one of its tokens but the first",
}
"""Which of the prompt's tokens are put on the map, by what a point of it is."""


def among_of(model: LoadedModel, tokens: Tokens, position: int, read: Read, drawn: CorpusMap) -> Job[Extra]:
    """The prompt's states, read where the texts' are, at every drawn layer."""
    spot = read.spot
    where = position if spot == "span" else None

    def work(report: Report) -> Extra:
        report("Running the model")
        states = trace_of(model, tokens).residuals()
        frames = []
        for number, layer in enumerate(drawn.layers):
            report("Putting the prompt on the map", number, len(drawn.layers))
            frames.append(place(drawn, read.states, _read_at(states[layer], spot, position), layer))
        return Extra(np.stack(frames), _labels(tokens, spot, position), NAME)

    key = fingerprint(
        "among", model.fingerprint, tokens.ids, where, spot, drawn.states, drawn.rows, drawn.projection,
        drawn.cloud.provenance.settings, drawn.layers,
    )  # fmt: skip
    return held(key, "Putting the prompt on the map", work)


def _read_at(states: np.ndarray, spot: str, position: int) -> np.ndarray:
    """(new, d_model) of one layer's (position, d_model)."""
    if spot == "last" or len(states) == 1:
        return states[-1:]
    if spot == "mean":
        return states[1:].mean(0, keepdims=True)
    return states[1:] if spot == EACH else states[position : position + 1]


def _labels(tokens: Tokens, spot: str, position: int) -> tuple[str, ...]:
    if spot == EACH and len(tokens) > 1:
        return tuple(tokens.labels[1:])
    if spot == "span":
        return (tokens.labels[position],)
    whole = "".join(tokens.labels)
    return (whole if len(whole) <= LONGEST_LABEL else f"…{whole[-LONGEST_LABEL:]}",)
