"""Which features of a dictionary are active in a text, and how much of each state they explain."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64
from torch import Tensor

from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.written import written
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.models.decode import GREEDY, Sampling
from analysis.models.loaded import LoadedModel
from analysis.results import AgainstNull, Bounds, Provenance, with_settings
from analysis.samples import usual_norms
from analysis.tokens import Tokens

SOURCE = "Bricken et al. 2023 (Towards Monosemanticity); Cunningham et al. 2023, arXiv 2309.08600"
MISLEADS = (
    "A dictionary explains most of a state, not all of it: look at the error. It finds what its training text had, and "
    "a feature's name is a guess from examples. First tokens are attention sinks and lie outside it."
)
LISTED = 30
"""Features of a token, or of a text, that are shown."""
DRAWS = 5
"""Random controls of how much of a text a dictionary explains."""
By = Literal["max", "sum"]


@dataclass(frozen=True, eq=False)
class TextFeatures:
    """The features of one text at one site."""

    dictionary: Dictionary
    tokens: Tokens
    states: Float32[np.ndarray, "position width"]
    activations: Float32[np.ndarray, "position feature"]
    """Zero where a feature is not active."""
    rebuilt: Float32[np.ndarray, "position width"]
    """What the dictionary makes of the states."""
    provenance: Provenance

    def __post_init__(self):
        for values in (self.states, self.activations, self.rebuilt):
            values.flags.writeable = False

    @property
    def error(self) -> Float32[np.ndarray, "position width"]:
        """What is left: states minus what was rebuilt."""
        return self.states - self.rebuilt

    @cached_property
    def origin(self) -> Float32[np.ndarray, " width"]:
        """What the dictionary makes of no feature at all: its bias."""
        return rebuilt_from(self.dictionary, np.zeros((1, self.activations.shape[1]), np.float32))[0]

    @cached_property
    def counts(self) -> Bool[np.ndarray, " position"]:
        """False for the first token, an attention sink, and for norms above 8 times the median of the others.

        A dictionary was not trained on such states. The one token of a text that has no other counts.
        """
        norms = np.linalg.norm(self.states, axis=1)
        if len(norms) == 1:
            return np.ones(1, bool)
        return np.concatenate([[False], usual_norms(norms[None, 1:])])

    def active(self, position: int) -> list[int]:
        """Features that are active at a token, the largest magnitude first, ties by number."""
        row = self.activations[position]
        found = np.flatnonzero(row)
        return found[np.argsort(-np.abs(row[found]), kind="stable")].tolist()


@dataclass(frozen=True, eq=False)
class TokenShares:
    """How the features of one token, and what they leave, add up to its state."""

    position: int
    features: Int64[np.ndarray, " listed"]
    """The largest magnitude first."""
    activations: Float32[np.ndarray, " listed"]
    shares: Float64[np.ndarray, " listed"]
    """Of the squared length of the state; below 0 where a feature points against the state."""
    active: int
    """Features that are active, listed or not."""
    error: float
    """Share of what the dictionary leaves."""
    error_length: float
    """Its length over that of the state."""
    error_cosine: float
    """Between the error and the state; 0 where there is no error."""

    @property
    def explained(self) -> float:
        """Share of all active features together: 1 minus the error's."""
        return 1 - self.error

    @property
    def rest(self) -> float:
        """Share of the active features that are not listed."""
        return self.explained - float(self.shares.sum())

    @property
    def cumulative(self) -> Float64[np.ndarray, " listed"]:
        """Share of each listed feature and all before it."""
        return np.cumsum(self.shares)


@dataclass(frozen=True, eq=False)
class Watched:
    """One step of a continuation, with what chosen features did in the tokens it read."""

    id: int | None
    """The new token; None where there is none."""
    activations: Float32[np.ndarray, "position chosen"]
    """Of the tokens the step read: the whole prompt in the first, then the token chosen before."""


def text_features(
    model: LoadedModel, tokens: Tokens, dictionary: Dictionary, report: Report = silent
) -> TextFeatures:
    """Run a text up to the dictionary's layer and encode every token.

    Args:
        model: the model.
        tokens: the text.
        dictionary: of this model.
        report: progress; raises `Cancelled` to stop.

    Raises:
        AnalysisError: the dictionary is not this model's.
    Source: Bricken et al. 2023 (Towards Monosemanticity); Cunningham et al. 2023, arXiv 2309.08600.
    Misleads when: a state lies outside what the dictionary was trained on; see `TextFeatures.counts`.
    """
    dictionary.require_fit(model)
    report("Running the model")
    states = model.run(tokens, read=[dictionary.site]).at(dictionary.site).copy()
    report("Encoding the states")
    return encoded(model, tokens, dictionary, states)


def encoded(
    model: LoadedModel, tokens: Tokens, dictionary: Dictionary, states: Float32[np.ndarray, "position width"]
) -> TextFeatures:
    """The features of states that were read already.

    Raises:
        AnalysisError: a state is not as wide as the dictionary.
    """
    if states.shape[1] != dictionary.width:
        raise AnalysisError(
            f"The dictionary reads states of {dictionary.width} numbers at {dictionary.site}; given {states.shape[1]}."
        )
    with torch.inference_mode():
        activations = dictionary.encode(torch.from_numpy(states))
        rebuilt = dictionary.decode(activations)
    settings = (("dictionary", f"{dictionary.name} ({dictionary.id})"), ("site", str(dictionary.site)))
    provenance = Provenance(
        model.title, model.revision, model.dtype_name, "features of a text", SOURCE, MISLEADS, settings
    )
    return TextFeatures(dictionary, tokens, states, activations.numpy(), rebuilt.numpy(), provenance)


def rebuilt_from(
    dictionary: Dictionary, activations: Float32[np.ndarray, "point feature"]
) -> Float32[np.ndarray, "point width"]:
    """The states that activations make."""
    with torch.inference_mode():
        return dictionary.decode(torch.from_numpy(activations)).numpy()


def shares_at(model: LoadedModel, found: TextFeatures, position: int, most: int = LISTED) -> TokenShares:
    """How the active features of one token add up to its state.

    With y = x - bias = sum of a_i d_i + e, the share of feature i is a_i d_i . y / |y|^2 and that of the error is
    e . y / |y|^2: together they are y . y / |y|^2 = 1, whatever the directions. For a dictionary of the MLP's neurons
    y, d_i and e are what the block's last map makes of them: y is then what the MLP adds to the residual stream.

    Args:
        model: the model that was read.
        found: the features of its text.
        position: the token.
        most: features listed, the largest magnitudes.

    Raises:
        AnalysisError: there is no such token.
    Source: the split of a sum into projections onto it; own choice, as no paper defines a feature's share.
    Misleads when: features are not orthogonal. They share what they both point at, and one that points against the
        state has a share below 0, so that others add up to more than 1.
    """
    if not 0 <= position < len(found.tokens):
        raise AnalysisError(f"The text has tokens 0 to {len(found.tokens) - 1}; given {position}.")
    active = found.active(position)
    listed = active[:most]
    amounts = found.activations[position, listed]
    state, error = _in_the_stream(model, found, position)
    rows = written(model, found.dictionary, listed) if listed else np.zeros((0, len(state)), np.float32)
    # a state of no length has no shares
    size = float(state @ state) or float("nan")
    length = float(np.linalg.norm(error))
    return TokenShares(
        position,
        np.array(listed, np.int64),
        amounts,
        (rows.astype(np.float64) * amounts[:, None]) @ state / size,
        len(active),
        float(error @ state) / size,
        length / size**0.5,
        float(error @ state) / (length * size**0.5) if length else 0.0,
    )


def _in_the_stream(
    model: LoadedModel, found: TextFeatures, position: int
) -> tuple[Float64[np.ndarray, " d_model"], Float64[np.ndarray, " d_model"]]:
    """The state without the bias, and the error, as the residual stream gets them."""
    parts = np.stack([found.states[position] - found.origin, found.error[position]])
    site = found.dictionary.site
    if site.stream == "neurons":
        parts = model.on_worker(lambda: model.parts.written(site.layer, torch.from_numpy(parts)).numpy())
    return parts[0].astype(np.float64), parts[1].astype(np.float64)


def explained(found: TextFeatures, draws: int = DRAWS, seed: int = 0, report: Report = silent) -> AgainstNull:
    """How much of every token's state a dictionary explains, beside the same states with shuffled coordinates.

    1 - |e|^2 / |x - bias|^2 for every token. A control shuffles the coordinates of x - bias in the same way for all
    tokens: that keeps every length, every angle between tokens and how the numbers are distributed, and only turns
    the states away from what the dictionary was trained on.

    Args:
        found: the features of a text.
        draws: controls.
        seed: of the shuffles.
        report: progress; raises `Cancelled` to stop.

    Source: fraction of variance unexplained as in Gao et al. 2024, arXiv 2406.04093, per token, around the
        dictionary's bias instead of the text's mean, which few tokens do not give.
    Misleads when: most of a state is common to all tokens: explaining that is easy. It is below 0 where the features
        are worse than none.
    """
    rng = np.random.default_rng(seed)
    moved = found.states - found.origin
    nulls = np.empty((draws, len(moved)), np.float32)
    for draw in range(draws):
        report("Shuffling coordinates", draw, draws)
        states = moved[:, rng.permutation(moved.shape[1])] + found.origin
        with torch.inference_mode():
            given = torch.from_numpy(states)
            rebuilt = found.dictionary.decode(found.dictionary.encode(given)).numpy()
        nulls[draw] = _fraction(states - rebuilt, moved)
    return AgainstNull(
        "Explained share of each token's state",
        "share of the squared length",
        Bounds(None, 1 + 1e-6),
        with_settings(found.provenance, null="coordinates shuffled", draws=draws, seed=seed),
        "token",
        found.tokens.labels,
        _fraction(found.error, moved),
        nulls,
    )


def _fraction(
    error: Float32[np.ndarray, "position width"], moved: Float32[np.ndarray, "position width"]
) -> Float32[np.ndarray, " position"]:
    """1 - |e|^2 / |x - bias|^2; NaN where the state is the bias."""
    size = (moved**2).sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(size > 0, 1 - (error**2).sum(1) / size, np.nan).astype(np.float32)


def explained_together(found: TextFeatures) -> float:
    """The same of all tokens that count, weighted by their squared length: 1 - sum |e|^2 / sum |x - bias|^2."""
    error, moved = found.error[found.counts], (found.states - found.origin)[found.counts]
    size = float((moved**2).sum())
    return 1 - float((error**2).sum()) / size if size else float("nan")


def strongest(found: TextFeatures, most: int = LISTED, by: By = "max") -> list[int]:
    """The features that are strongest in a text, in the order of the tokens where they peak.

    Tokens that do not count decide neither the choice nor the order.

    Args:
        found: the features of the text.
        most: features at most; those that are active nowhere are left out.
        by: largest magnitude, or magnitudes summed over the text.
    """
    values = np.abs(found.activations[found.counts])
    score = values.max(0) if by == "max" else values.sum(0)
    first = np.argsort(-score, kind="stable")[:most]
    chosen = first[score[first] > 0]
    peaks = values[:, chosen].argmax(0)
    return chosen[np.lexsort((chosen, -values[:, chosen].max(0), peaks))].tolist()


def watched(
    model: LoadedModel,
    tokens: Tokens,
    dictionary: Dictionary,
    features: list[int],
    *,
    sampling: Sampling = GREEDY,
    most: int = 40,
) -> Iterator[Watched]:
    """Continue a text and say what chosen features do in every token, while it is written.

    A token's state is known once it has been read, one step after it was chosen; the last token's never is.

    Args:
        model: the model.
        tokens: the text.
        dictionary: of this model.
        features: numbers of the features.
        sampling: greedy, or how to draw.
        most: new tokens at most.

    Raises:
        AnalysisError: there is no such feature, or as for `LoadedModel.generate`.
    """
    dictionary.require_fit(model)
    if wrong := [each for each in features if not 0 <= each < dictionary.features]:
        raise AnalysisError(
            f"{dictionary.name} has features 0 to {dictionary.features - 1}; given {wrong[0]}."
        )
    steps = model.generate(tokens, sampling=sampling, max_new_tokens=most, read=[dictionary.site])
    for step in steps:
        states = torch.from_numpy(step.captured[dictionary.site][0])
        yield Watched(step.ids[0], _some(dictionary, states, features))


def _some(
    dictionary: Dictionary, states: Tensor, features: list[int]
) -> Float32[np.ndarray, "position chosen"]:
    with torch.inference_mode():
        return dictionary.encode(states)[:, features].numpy()
