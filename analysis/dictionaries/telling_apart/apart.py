"""The features that tell two kinds of texts apart, or two prompts."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Float64, Int64

from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.telling_apart.effects import Effects, chances, interval
from analysis.dictionaries.telling_apart.pooled import POOLS, Pooled, pooled, pooled_states
from analysis.dictionaries.telling_apart.sides import FEWEST_OF_SIDE, TwoSides
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel
from analysis.numerics import in_chunks
from analysis.probing.baselines import shuffled
from analysis.results import Provenance
from analysis.tokens import Tokens

SHUFFLES = 200
"""Of the labels."""
LEVEL = 0.95
"""Share of shuffles whose largest effect stays within the band."""
ROWS_AT_ONCE = 1_024
SOURCE = (
    "Tusher, Tibshirani & Chu 2001 (differences over spreads, false findings counted in shuffles); Westfall & Young "
    "1993 (the largest of all in a shuffle)"
)
MISLEADS = (
    "The two kinds differ in more than what they are named after: length, topic, template. The largest of thousands "
    "of differences is too large, and so is its interval: try it on other texts, or with the sparse probe. That "
    "a feature tells two things apart does not say that the model uses it for that."
)
PROMPT_MISLEADS = (
    "Two prompts differ in everything; nothing here says which difference would come again, so there is no interval "
    "and no significance. Give several texts of each kind for that."
)
PROMPT_POOLS = {
    "mean": "the mean over all tokens but the first",
    "max": "the largest of all tokens but the first",
    "last": "the last token",
}
"""What of a prompt is compared, by id."""


@dataclass(frozen=True)
class Missed:
    """What a dictionary leaves out, where two means of states are compared."""

    difference: float
    """Distance of the two mean states."""
    error: float
    """Length of that part of their difference that no feature makes."""
    explained: float
    """Share of the variance of the tokens' states that the dictionary explains, at most 1."""

    @property
    def share(self) -> float:
        """Length of the error's part over the whole distance, from 0 on; NaN where the means are the same."""
        return self.error / self.difference if self.difference > 0 else float("nan")


@dataclass(frozen=True, eq=False)
class Apart:
    """How far the activations of every feature lie apart between two kinds of texts."""

    names: tuple[str, str]
    counts: tuple[int, int]
    """Examples of each kind that were read."""
    pool: str
    """One of `POOLS`."""
    means: Float64[np.ndarray, "2 feature"]
    """Mean activation over the examples of each kind."""
    shares: Float64[np.ndarray, "2 feature"]
    """Share of the examples of each kind in which the feature is active, 0 to 1; says nothing if all are always."""
    effect: Float64[np.ndarray, " feature"]
    """First mean minus second, over the spread within kinds; positive is more in the first."""
    low: Float64[np.ndarray, " feature"]
    """2.5% of the effect over texts drawn again, group by group, and `high` its 97.5%."""
    high: Float64[np.ndarray, " feature"]
    p: Float64[np.ndarray, " feature"]
    """Share of shuffles in which any feature at all has as large an effect, this order among them: 1 / 201 to 1."""
    q: Float64[np.ndarray, " feature"]
    """Share of false findings among the features with at least this effect, as shuffled labels make them."""
    largest: Float64[np.ndarray, " shuffle"]
    """Size of the largest effect of all features, for every shuffle of the labels."""
    missed: Missed
    left_out: int
    """Examples without a token that counts."""
    provenance: Provenance

    def __post_init__(self):
        for name in ("means", "shares", "effect", "low", "high", "p", "q", "largest"):
            getattr(self, name).flags.writeable = False

    @property
    def difference(self) -> Float64[np.ndarray, " feature"]:
        """First mean minus second, in the unit of the activation."""
        return self.means[0] - self.means[1]

    @property
    def band(self) -> float:
        """Size of an effect that no feature at all reaches in 95% of shuffles."""
        return float(np.quantile(self.largest, LEVEL))

    @property
    def outside(self) -> Bool[np.ndarray, " feature"]:
        """True for features whose effect is larger than that."""
        return np.abs(self.effect) > self.band

    @cached_property
    def order(self) -> Int64[np.ndarray, " feature"]:
        """All features, the largest effect first, ties by number."""
        return np.argsort(-np.abs(self.effect), kind="stable")

    def table(self) -> pd.DataFrame:
        """One row per feature that is active anywhere, the largest effect first."""
        first, second = self.names
        frame = pd.DataFrame(
            {
                "feature": np.arange(len(self.effect)),
                "more in": np.where(self.effect > 0, first, second),
                f"mean, {first}": self.means[0],
                f"mean, {second}": self.means[1],
                "difference": self.difference,
                "effect": self.effect,
                "from": self.low,
                "to": self.high,
                f"active in, {first}": self.shares[0],
                f"active in, {second}": self.shares[1],
                "p": self.p,
                "q": self.q,
                "beyond chance": self.outside,
            }
        )
        rows = frame.iloc[self.order]
        return rows[self.shares[:, self.order].any(0)].reset_index(drop=True)


@dataclass(frozen=True, eq=False)
class PromptsApart:
    """How far the activations of every feature lie apart between two prompts; nothing is known of chance."""

    prompts: tuple[Tokens, Tokens]
    pool: str
    """One of `PROMPT_POOLS`."""
    values: Float64[np.ndarray, "2 feature"]
    """Activations of each prompt, pooled."""
    parts: Float64[np.ndarray, " feature"]
    """Share of the distance of the two states that each feature makes: with the error's they add up to 1; NaN for
    `max`, which is no sum."""
    missed: Missed
    provenance: Provenance

    def __post_init__(self):
        for name in ("values", "parts"):
            getattr(self, name).flags.writeable = False

    @property
    def difference(self) -> Float64[np.ndarray, " feature"]:
        """First prompt minus second, in the unit of the activation."""
        return self.values[0] - self.values[1]

    @cached_property
    def order(self) -> Int64[np.ndarray, " feature"]:
        """All features, the largest difference first, ties by number."""
        return np.argsort(-np.abs(self.difference), kind="stable")

    @property
    def error_part(self) -> float:
        """Share of the distance of the two states that no feature makes; NaN for `max`."""
        return float(1 - self.parts.sum())

    def table(self) -> pd.DataFrame:
        """One row per feature that is active in either, the largest difference first."""
        frame = pd.DataFrame(
            {
                "feature": np.arange(self.values.shape[1]),
                "more in": np.where(self.difference > 0, "A", "B"),
                "A": self.values[0],
                "B": self.values[1],
                "difference": self.difference,
                "share": self.parts,
            }
        )
        rows = frame.iloc[self.order]
        return rows[(rows["A"] != 0) | (rows["B"] != 0)].reset_index(drop=True)


def apart(
    model: LoadedModel,
    dictionary: Dictionary,
    sides: TwoSides,
    pool: str = "max",
    *,
    shuffles: int = SHUFFLES,
    seed: int = 0,
    report: Report = silent,
) -> Apart:
    """Compare every feature between two kinds of texts, beside the same with shuffled labels.

    Args:
        model: the model.
        dictionary: of this model.
        sides: the texts.
        pool: one of `POOLS`.
        shuffles: of the labels, whole groups at a time; at least 20.
        seed: of the shuffles and of the draws.
        report: progress; raises `Cancelled` to stop.

    Raises:
        AnalysisError: as for `pooled`, or too few examples are left on a side.
    Source: Tusher, Tibshirani & Chu 2001, PNAS 98; Westfall & Young 1993, Resampling-Based Multiple Testing; Efron &
        Tibshirani 1993 (cluster bootstrap).
    Misleads when: the two kinds differ in more than what they are named after, as in length or topic; and the largest
        of thousands of differences is too large.
    """
    found = pooled(model, dictionary, sides.corpus, pool, report)
    settings = (
        ("dictionary", f"{dictionary.name} ({dictionary.id})"),
        ("site", str(dictionary.site)),
        ("activation of an example", POOLS[pool]),
        ("texts", sides.corpus.name),
        ("shuffles", str(shuffles)),
        ("seed", str(seed)),
    )
    provenance = Provenance(
        model.title, model.revision, model.dtype_name, "difference of means", SOURCE, MISLEADS, settings
    )
    return compared(found, sides, pool, provenance, shuffles=shuffles, seed=seed, report=report)


def compared(
    found: Pooled,
    sides: TwoSides,
    pool: str,
    provenance: Provenance,
    *,
    shuffles: int = SHUFFLES,
    seed: int = 0,
    report: Report = silent,
) -> Apart:
    """The comparison of examples that were read already; see `apart`.

    Raises:
        AnalysisError: too few shuffles, or too few examples are left on a side.
    """
    if shuffles < 20:
        raise AnalysisError(f"A band of 95% needs at least 20 shuffles; given {shuffles}.")
    first = sides.first[found.rows]
    groups = tuple(sides.groups[row] for row in found.rows)
    counts = int(first.sum()), int((~first).sum())
    if min(counts) < FEWEST_OF_SIDE:
        raise AnalysisError(
            f"After first tokens are left out there are {counts[0]} and {counts[1]} examples; at least "
            f"{FEWEST_OF_SIDE} of each are needed. Give longer texts, or more of them."
        )
    effects = Effects(found.values)
    effect = effects.of(first[None])[0]
    report("Shuffling labels", 0, shuffles)
    nulls = np.stack([shuffled(first, groups, seed + 1 + n) for n in range(shuffles)])
    null = np.abs(effects.of(nulls, report))
    report("Drawing texts again")
    low, high = interval(effects, first, groups, seed, report)
    p, q = chances(np.abs(effect), null)
    values, fires = found.values, found.fires
    return Apart(
        sides.names,
        counts,
        pool,
        np.stack([values[first].mean(0, dtype=np.float64), values[~first].mean(0, dtype=np.float64)]),
        np.stack([fires[first].mean(0), fires[~first].mean(0)]),
        effect,
        low,
        high,
        p,
        q,
        null.max(1),
        _missed(found, first),
        len(sides.first) - len(first),
        provenance,
    )


def prompts_apart(
    model: LoadedModel,
    dictionary: Dictionary,
    first: Tokens,
    second: Tokens,
    pool: str = "mean",
    report: Report = silent,
) -> PromptsApart:
    """Compare every feature between two prompts.

    Args:
        model: the model.
        dictionary: of this model.
        first: one prompt.
        second: the other.
        pool: one of `PROMPT_POOLS`.
        report: progress; raises `Cancelled` to stop.

    Raises:
        AnalysisError: a prompt has a first token only, there is no such pool, or the dictionary is not this model's.
    Source: Bricken et al. 2023 (Towards Monosemanticity).
    Misleads when: it is read as what usually tells such prompts apart: two texts say nothing about chance.
    """
    dictionary.require_fit(model)
    if pool not in PROMPT_POOLS:
        raise AnalysisError(f"{pool!r} is no part of a prompt; there are {', '.join(PROMPT_POOLS)}.")
    report("Running the model")
    states, rows = [], []
    for number, tokens in enumerate((first, second)):
        if len(tokens) < 2:
            raise AnalysisError(
                f"Prompt {'AB'[number]} has one token, an attention sink that lies outside every dictionary. Add to it."
            )
        own = model.run(tokens, read=[dictionary.site]).at(dictionary.site)[-1 if pool == "last" else 1 :]
        states.append(own)
        rows += [number] * len(own)
    found = pooled_states(
        dictionary, np.concatenate(states), np.array(rows), "mean" if pool == "last" else pool, report
    )
    if len(found.rows) < 2:
        raise AnalysisError("All tokens of one prompt are attention sinks. Choose another prompt.")
    values = found.values.astype(np.float64)
    missed = _missed(found, np.array([True, False]))
    parts = np.full(dictionary.features, np.nan)
    if pool != "max":
        parts = _parts(dictionary, values[0] - values[1], found.means[0] - found.means[1])
    settings = (
        ("dictionary", f"{dictionary.name} ({dictionary.id})"),
        ("site", str(dictionary.site)),
        ("activation of a prompt", PROMPT_POOLS[pool]),
    )
    source = "Bricken et al. 2023 (Towards Monosemanticity)"
    provenance = Provenance(
        model.title,
        model.revision,
        model.dtype_name,
        "difference of two prompts",
        source,
        PROMPT_MISLEADS,
        settings,
    )
    return PromptsApart((first, second), pool, values, parts, missed, provenance)


def _missed(found: Pooled, first: Bool[np.ndarray, " example"]) -> Missed:
    def gap(values: np.ndarray) -> np.ndarray:
        return values[first].mean(0, dtype=np.float64) - values[~first].mean(0, dtype=np.float64)

    whole, error = gap(found.means), gap(found.means - found.rebuilt)
    return Missed(float(np.linalg.norm(whole)), float(np.linalg.norm(error)), found.explained)


def _parts(
    dictionary: Dictionary,
    difference: Float64[np.ndarray, " feature"],
    states: Float[np.ndarray, " width"],
) -> Float64[np.ndarray, " feature"]:
    """What each feature adds to a difference of states, along that difference, as a share of its length."""
    parts = np.zeros(len(difference))
    wide = states.astype(np.float64)
    length = float(wide @ wide)
    for part in in_chunks(len(difference), ROWS_AT_ONCE):
        rows = dictionary.directions(list(range(len(difference)))[part])
        parts[part] = difference[part] * (rows @ wide) / (length if length > 0 else np.nan)
    return parts
