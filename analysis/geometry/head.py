"""The unembedding as a bottleneck: how many directions it reads, and what the model loses when it reads fewer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64

from analysis import samples
from analysis.data import corpus
from analysis.edits import Site
from analysis.errors import AnalysisError
from analysis.geometry.ranks import effective_rank, random_singular_values, singular_entropy
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel
from analysis.next_token import norm_gain
from analysis.numerics import in_chunks, rows_per_chunk

SOURCE = "Godey, de la Clergerie & Sagot 2024, arXiv 2404.07647; softmax bottleneck: Yang et al. 2018, arXiv 1711.03953"
ROWS = 8192
"""Words whose vectors are widened to float64 at a time."""
CONTEXTS, LENGTH = 8, 64
"""Windows of the shipped text on which a cut head is judged, and tokens of each."""


@dataclass(frozen=True, eq=False)
class Head:
    """The spectrum of a model's unembedding."""

    vocabulary: int
    """Words, each a row of the matrix."""
    width: int
    """Numbers of a row: what the unembedding reads, the output of the final norm."""
    singular: Float64[np.ndarray, " rank"]
    """Singular values, largest first."""
    with_gain: Float64[np.ndarray, " rank"] | None
    """Of the matrix with the final norm's gain folded in; None where the family maps states once more in between."""
    random: Float64[np.ndarray, " rank"]
    """Of a matrix of the same shape and the same sum of squares with independent normal numbers."""
    axes: Float64[np.ndarray, "rank width"]
    """The directions that the matrix reads, in the order of `singular`."""

    def numbers(self) -> dict[str, tuple[float, float]]:
        """By which matrix: its singular entropy in nats, and its effective rank."""
        spectra = {"unembedding": self.singular, "random matrix of this shape": self.random}
        if self.with_gain is not None:
            spectra["unembedding, norm's gain folded in"] = self.with_gain
        return {name: (singular_entropy(each), effective_rank(each)) for name, each in spectra.items()}


def read_head(model: LoadedModel, seed: int = 0, report: Report = silent) -> Head:
    """Singular values and directions of a model's unembedding.

    Args:
        model: the model.
        seed: of the random matrix beside it.
        report: progress in words of the vocabulary; raises `Cancelled` to stop.

    Source: Godey, de la Clergerie & Sagot 2024, arXiv 2404.07647; softmax bottleneck: Yang et al. 2018,
        arXiv 1711.03953.
    Misleads when: rows share a mean, which is then the first direction: it shifts all logits alike and says nothing.
        Words that never occur keep the vectors they began with.
    """
    weight = model.parts.head.weight
    vocabulary, width = weight.shape
    products = np.zeros((width, width))
    for chosen in in_chunks(vocabulary, ROWS):
        report("Reading the unembedding", chosen.start, vocabulary)
        rows = model.on_worker(lambda chosen=chosen: weight[chosen].double().numpy())
        products += rows.T @ rows
    squares, axes = np.linalg.eigh(products)
    rank = min(vocabulary, width)
    random = random_singular_values(vocabulary, width, seed)
    return Head(
        vocabulary,
        width,
        _roots(squares)[:rank],
        _with_gain(model, products, rank),
        random * np.sqrt(np.trace(products) / (random**2).sum()),
        np.ascontiguousarray(axes.T[::-1][:rank]),
    )


def _with_gain(
    model: LoadedModel, products: Float64[np.ndarray, "width width"], rank: int
) -> Float64[np.ndarray, " rank"] | None:
    try:
        gain = norm_gain(model)
    except AnalysisError:
        return None
    return _roots(np.linalg.eigvalsh(products * np.outer(gain, gain)))[:rank]


def _roots(squares: Float64[np.ndarray, " width"]) -> Float64[np.ndarray, " width"]:
    """Singular values from their squares, which come smallest first."""
    return np.sqrt(np.maximum(squares[::-1], 0))


def ordinary_endings(
    model: LoadedModel, report: Report = silent
) -> tuple[Float32[np.ndarray, "point d_model"], Int64[np.ndarray, " point"]]:
    """Last-layer states of some of the shipped text, and the token that follows each; first tokens are left out.

    Args:
        model: the model.
        report: progress in windows; raises `Cancelled` to stop.
    """
    windows = [own[0] for own in samples.windows(model, corpus.documents()[:CONTEXTS], LENGTH) if own]
    top = Site(model.n_layers)
    states, following = [], []
    for number, tokens in enumerate(windows):
        report("Reading ordinary text", number, len(windows))
        states.append(model.run([tokens], read=(top,)).at(top, 0)[1:-1])
        following += tokens.ids[2:]
    return np.concatenate(states), np.array(following, np.int64)


def cut_losses(
    model: LoadedModel,
    head: Head,
    states: Float32[np.ndarray, "point d_model"],
    following: Int64[np.ndarray, " point"],
    kept: Sequence[int],
    report: Report = silent,
) -> Float64[np.ndarray, " cut"]:
    """Mean loss of the model when its unembedding keeps only its strongest singular directions.

    Everything else of the read-out stays: norm, bias, softcap. Keeping all of them gives the model's own loss.

    Args:
        model: whose head it is.
        head: its spectrum.
        states: last-layer states before the final norm.
        following: the token that follows each.
        kept: numbers of directions, each 1 to the number there are.
        report: progress; raises `Cancelled` to stop.

    Returns:
        Nats per token, one for each number.

    Raises:
        AnalysisError: there are not so many directions, or no states.

    Misleads when: it is read as what a narrower model would lose: that one would have been trained to be narrow. The
        strongest directions of the matrix need not be the ones that states use.
    """
    _require_cut(head, states, following, kept)
    axes = torch.from_numpy(head.axes.astype(np.float32))
    sums = np.zeros(len(kept))
    for chosen in in_chunks(len(states), rows_per_chunk(head.vocabulary)):
        here, words = torch.from_numpy(states[chosen]), torch.from_numpy(following[chosen])[:, None]
        for place, count in enumerate(kept):
            report("Cutting the head", chosen.start + (place / len(kept)) * len(here), len(states))
            sums[place] += model.on_worker(
                lambda count=count, here=here, words=words: _loss(model, axes[:count], here, words)
            )
    return sums / len(states)


def _loss(model: LoadedModel, axes: torch.Tensor, here: torch.Tensor, words: torch.Tensor) -> float:
    """Summed loss of a read-out that sees the final norm's output along some axes only."""
    parts = model.parts
    hidden = parts.norm(here.to(model.dtype))
    hidden = (hidden if parts.after_norm is None else parts.after_norm(hidden)).float()
    logits = parts.finish(parts.head(((hidden @ axes.T) @ axes).to(model.dtype))).float()
    return float((logits.logsumexp(-1) - logits.gather(1, words)[:, 0]).double().sum())


def _require_cut(head: Head, states: np.ndarray, following: np.ndarray, kept: Sequence[int]) -> None:
    if len(states) != len(following) or not len(states):
        raise AnalysisError(
            f"Every state needs the token that follows it; given {len(states)} and {len(following)}."
        )
    if not kept or not 1 <= min(kept) <= max(kept) <= len(head.singular):
        raise AnalysisError(
            f"The head has {len(head.singular):,} singular directions; keep 1 to all of them, given {list(kept)}."
        )


def usual_cuts(directions: int) -> tuple[int, ...]:
    """Numbers of directions to keep, from a few to all of them, each about twice the one before."""
    halves = [directions]
    while halves[-1] > 4:
        halves.append(halves[-1] // 2)
    return tuple(halves[::-1])
