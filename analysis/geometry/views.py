"""Several noisy copies of every text, each as one mean state a layer: what robustness is measured on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from analysis.captures import capture
from analysis.corpora import Corpus
from analysis.directions import span
from analysis.edits import Edit
from analysis.errors import AnalysisError
from analysis.fingerprint import fingerprint
from analysis.geometry.noise import KINDS, noisy
from analysis.geometry.texts import beginning, drawn, whole
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel

FAR = 2.0
"""Mean states longer than this many times their layer's median are left out: an attention sink behind the first
token, averaged over some sixty tokens, still decides the mean."""

JUDGED_FROM = 8
"""Texts from which on a median of lengths means something."""


@dataclass(frozen=True, eq=False)
class Views:
    """Mean states of noisy copies of texts, layer by layer."""

    name: str
    layers: tuple[int, ...]
    values: Float32[np.ndarray, "layer text view d_model"]
    """Means over all tokens of a copy but the first."""
    key: str
    """One name for these states: whatever is measured on them belongs to it."""
    examples: tuple[tuple[str, ...], ...]
    """The noisy copies of every text."""
    originals: tuple[str, ...] = ()
    """The texts without noise."""
    left_out: int = 0
    """Texts that were read and do not count: a copy was a single token, or its mean state far longer than others."""

    def __len__(self) -> int:
        """Texts."""
        return self.values.shape[1]

    @property
    def copies(self) -> int:
        """Noisy copies of every text."""
        return self.values.shape[2]

    @property
    def d_model(self) -> int:
        """Numbers of a state."""
        return self.values.shape[3]

    def at(self, layer: int) -> Float32[np.ndarray, "text view d_model"]:
        """The mean states of one layer.

        Raises:
            AnalysisError: it was not read, or holds numbers that are not finite.
        """
        if layer not in self.layers:
            raise AnalysisError(f"Layer {layer} was not read; there are layers {span(self.layers)}.")
        states = np.asarray(self.values[self.layers.index(layer)])
        if not np.isfinite(states).all():
            raise AnalysisError(
                f"Layer {layer} holds numbers that are not finite; nothing can be measured there."
            )
        return states


def read_views(
    model: LoadedModel,
    corpus: Corpus,
    *,
    copies: int = 4,
    rate: float = 0.3,
    kinds: Sequence[str] = tuple(KINDS),
    seed: int = 0,
    layers: tuple[int, ...] | None = None,
    length: int = 64,
    most: int | None = None,
    deal: int | None = None,
    edits: Sequence[Edit] = (),
    report: Report = silent,
) -> Views:
    """Mistype every text several times and read the mean state of each copy at every layer.

    What a stopped reading has read stays on disk.

    Args:
        model: the model.
        corpus: the texts; equal ones are taken once.
        copies: noisy copies of each text, 2 or more.
        rate: share of the words that each kind of noise hits, 0 to 1.
        kinds: of noise, see `noise.KINDS`.
        seed: of the noise, and of the draw of texts.
        layers: which ones, ascending; None reads all.
        length: tokens of a text that are kept, from its beginning, before noise is added.
        most: texts at most; of more, some are drawn. None takes all.
        deal: a seed: all tokens but the first of each copy are dealt anew among all places of all copies, so that
            copies of one text have nothing in common but their length and first token.
        edits: run every copy under these.
        report: progress; raises `Cancelled` to stop.

    Raises:
        AnalysisError: fewer than two copies, no text is left, or the disk is full.
    Misleads when: copies have more tokens than their text, as mistyped words are split into more tokens.
    """
    if copies < 2 or length < 2:
        raise AnalysisError(
            f"Robustness compares at least 2 copies of texts of at least 2 tokens; given {copies} copies and texts of "
            f"{length} tokens."
        )
    originals = _originals(model, corpus, length, most, seed, report)
    examples = tuple(
        tuple(_fitting(model, noisy(text, copy, rate=rate, kinds=kinds, seed=seed)) for copy in range(copies))
        for text in originals
    )
    flat = Corpus("views", f"{corpus.name}, noisy", tuple(text for own in examples for text in own))
    states = capture(model, flat, "mean", layers=layers, deal=deal, edits=edits, report=report)
    values = states.values.reshape(len(states.layers), len(originals), copies, -1)
    single = np.array([any(len(model.tokenize(copy)) < 2 for copy in own) for own in examples])
    kept = np.flatnonzero(~single & ~_far(values, ~single))
    if not len(kept):
        raise AnalysisError(
            f"None of {len(originals):,} texts has noisy copies of two tokens or more. Give longer texts."
        )
    return Views(
        name=corpus.name,
        layers=states.layers,
        values=values if len(kept) == len(originals) else values[:, kept],
        key=fingerprint("views", states.key, copies),
        examples=tuple(examples[row] for row in kept),
        originals=tuple(originals[row] for row in kept),
        left_out=len(originals) - len(kept),
    )


def standard_normal_views(views: Views, seed: int = 0) -> Views:
    """Views of the same shape in which every number is an independent standard normal draw: nothing is shared.

    Only the lowest two of the layers exist, as all would be alike.
    """
    layers = views.layers[:2]
    shape = (len(layers), *views.values.shape[1:])
    return Views(
        name="Gaussian",
        layers=layers,
        values=np.random.default_rng(seed).standard_normal(shape, dtype=np.float32),
        key=f"{views.key} gaussian {seed}",
        examples=views.examples,
        originals=views.originals,
    )


def _originals(
    model: LoadedModel, corpus: Corpus, length: int, most: int | None, seed: int, report: Report
) -> tuple[str, ...]:
    """At most so many distinct texts, each cut behind its last token that is read."""
    texts = whole(drawn(corpus, most, seed)).texts
    cut = []
    for number, text in enumerate(texts):
        if number % 100 == 0:
            report("Mistyping texts", number, len(texts))
        cut.append(beginning(model, text, length, number))
    return tuple(dict.fromkeys(cut))


def _fitting(model: LoadedModel, text: str) -> str:
    """Of a copy what the model can read: noise makes tokens more."""
    return text if model.context is None else beginning(model, text, model.context)


def _far(
    values: Float32[np.ndarray, "layer text view d_model"], able: Bool[np.ndarray, " text"]
) -> Bool[np.ndarray, " text"]:
    """True for texts with a copy whose mean state is far longer than their layer's median, at some layer."""
    found = np.zeros(values.shape[1], bool)
    if able.sum() >= JUDGED_FROM:
        for states in values:
            lengths = np.linalg.norm(states, axis=-1)
            found |= (lengths > FAR * np.median(lengths[able])).any(1)
    return found
