"""Neurons that do at one token of a text what they do at none of its others, layer by layer."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64

from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel
from analysis.results import Provenance
from analysis.samples import usual_norms
from analysis.tokens import Tokens

FEWEST = 4
"""Other tokens that say what is usual."""
KEPT = 6
"""Neurons that are kept of every layer and token."""
DRAWS = 20
SOURCE = "Tusher, Tibshirani & Chu 2001 (moderated statistic, SAM)"
MISLEADS = (
    "The usual is that of this one text: a neuron that is rare in it stands out whatever it means, and with few tokens "
    "many do by chance; the grey marks show how far."
)


@dataclass(frozen=True, eq=False)
class StandingOut:
    """The neurons that stand out most, of every layer and token."""

    layers: tuple[int, ...]
    """1 to L."""
    neurons: Int64[np.ndarray, "layer position rank"]
    scores: Float32[np.ndarray, "layer position rank"]
    """How far from usual, in moderated standard deviations; signed, the largest magnitude first."""
    activations: Float32[np.ndarray, "layer position rank"]
    chance: Float32[np.ndarray, "draw layer"]
    """The largest magnitude where every neuron's value comes from a token of its own, drawn at random."""
    counts: Bool[np.ndarray, " position"]
    """False for tokens that do not say what is usual: the first one, and outliers of norm."""
    provenance: Provenance

    def __post_init__(self):
        for values in (self.neurons, self.scores, self.activations, self.chance, self.counts):
            values.flags.writeable = False


def standing_out(
    model: LoadedModel, tokens: Tokens, *, seed: int = 0, report: Report = silent
) -> StandingOut:
    """Compare every neuron of every layer at each token with itself at the text's other tokens.

    Score = (a - mean) / (sd + s), with mean and sd over the other tokens that count, and s the median sd of the layer's
    neurons: without it, neurons that hardly move would stand out by nothing.

    Args:
        model: the model.
        tokens: a text of six tokens or more.
        seed: of the control.
        report: progress in layers; raises `Cancelled` to stop.

    Raises:
        AnalysisError: the text is too short, or the model's neurons cannot be read.
    Source: Tusher, Tibshirani & Chu 2001, PNAS 98(9): the moderated statistic, with the median as its constant.
    Misleads when: the text is short or about one thing: what is usual is known from its other tokens only.
    """
    sites = model.neuron_sites()
    if not sites:
        raise AnalysisError(f"{model.title} keeps its neurons in experts, which cannot be read.")
    if len(tokens) < FEWEST + 2:
        raise AnalysisError(
            f"What is usual of a neuron is told from the text's other tokens: it needs {FEWEST + 2} tokens or more, "
            f"and this text has {len(tokens)}. Write a longer one."
        )
    report("Running the model")
    trace = model.run(tokens, read=sites)
    counts = np.concatenate([[False], usual_norms(np.stack([_norms(trace.at(site)) for site in sites]))])
    if counts.sum() < FEWEST + 1:
        counts = np.arange(len(tokens)) > 0
    rng = np.random.default_rng(seed)
    found, chance = [], np.empty((DRAWS, len(sites)), np.float32)
    for number, site in enumerate(sites):
        report("Comparing tokens", number, len(sites))
        values = trace.at(site)
        scores = moderated(values, counts)
        found.append(_first(scores, values))
        chance[:, number] = _by_chance(scores[counts], rng)
    settings = (("usual of", f"{int(counts.sum())} tokens of this text"), ("seed", str(seed)))
    provenance = Provenance(
        model.title, model.revision, model.dtype_name, "neurons that stand out", SOURCE, MISLEADS, settings
    )
    neurons, scores, activations = (np.stack(each) for each in zip(*found, strict=True))
    return StandingOut(
        tuple(site.layer for site in sites), neurons, scores, activations, chance, counts, provenance
    )


def moderated(
    values: Float32[np.ndarray, "position neuron"], counts: Bool[np.ndarray, " position"]
) -> Float32[np.ndarray, "position neuron"]:
    """How far each neuron is from what it does at the other tokens that count, in moderated standard deviations.

    Args:
        values: activations.
        counts: which tokens say what is usual; at least `FEWEST` besides any one of them.
    """
    wide = values.astype(np.float64)
    known = wide[counts]
    # a token that counts is taken out of its own comparison
    own = np.where(counts[:, None], 1.0, 0.0)
    others = len(known) - own
    mean = (known.sum(0) - own * wide) / others
    centre = known.mean(0)  # squares around it lose fewer digits
    squares = ((known - centre) ** 2).sum(0) - own * (wide - centre) ** 2
    variance = np.maximum(squares - others * (mean - centre) ** 2, 0) / (others - 1)
    spread = np.sqrt(variance)
    spread += np.median(spread, axis=1, keepdims=True)
    return np.divide(wide - mean, spread, out=np.zeros_like(wide), where=spread > 0).astype(np.float32)


def _norms(values: np.ndarray) -> np.ndarray:
    """Of all tokens but the first."""
    return np.linalg.norm(values[1:], axis=1)


def _first(scores: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The neurons of each token with the largest magnitudes, ties by number."""
    order = np.argsort(-np.abs(scores), axis=1, kind="stable")[:, :KEPT]
    return order, np.take_along_axis(scores, order, 1), np.take_along_axis(values, order, 1)


def _by_chance(scores: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The largest magnitude among neurons that are each looked at in a token of their own."""
    rows = rng.integers(len(scores), size=(DRAWS, scores.shape[1]))
    return np.abs(np.take_along_axis(scores, rows, 0)).max(1)
