"""What every block is worth: how much worse a model predicts text when the block is passed over."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Int64

from analysis.activations import Trace
from analysis.corpora import Corpus
from analysis.edits import Site, Steer, Variant
from analysis.errors import AnalysisError
from analysis.fingerprint import fingerprint
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel
from analysis.next_token import surprises
from analysis.tokens import Tokens, visible

TEXTS, LENGTH = 16, 64
"""Texts that are read, and tokens of each."""


@dataclass(frozen=True, eq=False)
class Skips:
    """The loss of every token with all blocks, and with each block passed over."""

    name: str
    layers: tuple[int, ...]
    """1 to L: the layer at which the block ends that is passed over."""
    base: Float32[np.ndarray, " point"]
    """-log p of every token with all blocks, in nats; first tokens are predicted from nothing and do not count."""
    without: Float32[np.ndarray, "layer point"]
    """The same with each block passed over."""
    text: Int64[np.ndarray, " point"]
    """Number of each token's text."""
    position: Int64[np.ndarray, " point"]
    """Its place in the text, from 1."""
    token: Int64[np.ndarray, " point"]
    """Its id."""
    shown: tuple[str, ...]
    """The token, as shown on screen."""
    key: str = ""
    """One name for the model and these texts."""

    def __len__(self) -> int:
        """Tokens that were predicted."""
        return len(self.base)

    @property
    def base_nats(self) -> float:
        """Mean loss with all blocks, in nats per token."""
        return float(self.base.mean(dtype=np.float64))

    @property
    def nats(self) -> Float32[np.ndarray, " layer"]:
        """By how much the mean loss rises without each block, in nats per token; below 0 where it falls."""
        return np.array([self.rise(layer).mean(dtype=np.float64) for layer in self.layers], np.float32)

    def rise(self, layer: int) -> Float32[np.ndarray, " point"]:
        """By how much the loss of every token rises without the block that ends at a layer, in nats.

        Raises:
            AnalysisError: no block ends there.
        """
        if layer not in self.layers:
            raise AnalysisError(
                f"No block ends at layer {layer}; blocks end at layers {self.layers[0]} to {self.layers[-1]}."
            )
        return self.without[self.layers.index(layer)] - self.base


def read_skips(
    model: LoadedModel,
    corpus: Corpus,
    *,
    texts: int = TEXTS,
    length: int = LENGTH,
    seed: int = 0,
    report: Report = silent,
) -> Skips:
    """Predict texts with all blocks, then with every block passed over in turn.

    A block is passed over by running what comes after it on the states that came before it, so its cost is that of
    the blocks above it.

    Args:
        model: the model.
        corpus: where the texts come from; equal ones are read once.
        texts: of more, so many are drawn.
        length: tokens of each text, from its beginning.
        seed: of the draw.
        report: progress in blocks; raises `Cancelled` to stop.

    Raises:
        AnalysisError: no text has two tokens, or the run does not fit into memory.

    Source: as the price of removing a block, Men et al. 2024, arXiv 2403.03853.
    Misleads when: it is read as what a block does for one task: it is the mean over these texts. Blocks stand in for
        one another, so two that cost little each may cost much together.
    """
    batch = _drawn(model, corpus, texts, length, seed)
    report("Reading with all blocks", 0, model.n_layers + 1)
    trace = model.run(batch)
    base = _losses(model, trace)
    layers, without = tuple(range(1, model.n_layers + 1)), np.empty((model.n_layers, len(base)), np.float32)
    for row, layer in enumerate(layers):
        report(f"Passing over block {layer} of {model.n_layers}", layer, model.n_layers + 1)
        without[row] = _losses(model, _without(model, trace, layer))
    ids = [index for tokens in batch for index in tokens.ids[1:]]
    return Skips(
        name=corpus.name,
        layers=layers,
        base=base,
        without=without,
        text=np.repeat(np.arange(len(batch)), [len(tokens) - 1 for tokens in batch]),
        position=np.concatenate([np.arange(1, len(tokens)) for tokens in batch]),
        token=np.array(ids, np.int64),
        shown=tuple(visible(piece) for tokens in batch for piece in tokens.pieces[1:]),
        key=fingerprint("skips", model.fingerprint, tuple(tokens.ids for tokens in batch)),
    )


def _drawn(model: LoadedModel, corpus: Corpus, texts: int, length: int, seed: int) -> list[Tokens]:
    """At most so many texts of at least two tokens, cut."""
    if texts < 1 or length < 2:
        raise AnalysisError(
            f"A loss needs at least one text of two tokens; asked for {texts} texts of {length} tokens."
        )
    distinct = list(dict.fromkeys(corpus.texts))
    found: list[Tokens] = []
    for number in np.random.default_rng(seed).permutation(len(distinct)):
        tokens = model.tokenize(distinct[number])
        if len(tokens) > 1:
            found.append(tokens.cut(min(length, len(tokens), model.context or length)))
        if len(found) == texts:
            return found
    if not found:
        raise AnalysisError(
            "No text has two tokens, so no token can be predicted from another. Give longer texts."
        )
    return found


def _without(model: LoadedModel, trace: Trace, layer: int) -> Trace:
    """The last layer's states where the block that ends at a layer hands on what it was given."""
    given = trace.values[trace.index(Site(layer - 1))][None]
    moved = replace(trace, sites=(Site(layer),), values=given)
    # an edit that changes no bit: it says where the run resumes
    resume = Steer(Site(layer), np.zeros(model.d_model, np.float32), 0.0)
    return model.rerun(moved, read=(Site(model.n_layers),), variants=(Variant("without", (resume,)),))


def _losses(model: LoadedModel, trace: Trace) -> Float32[np.ndarray, " point"]:
    """-log p of every token but the first of each text, in nats."""
    top = Site(model.n_layers)
    states = np.concatenate([trace.at(top, row)[:-1] for row in range(len(trace.rows))])
    return surprises(model, states, _following(trace.tokens)).astype(np.float32)


def _following(batch: Sequence[Tokens]) -> list[int]:
    return [index for tokens in batch for index in tokens.ids[1:]]
