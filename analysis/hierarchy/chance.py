"""Words by chance: random ones from outside of a hierarchy, its own dealt anew, and some of them held out."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int64

from analysis.errors import AnalysisError
from analysis.hierarchy.sets import Sets, Words
from analysis.models.loaded import LoadedModel

TRAINED = 0.7
"""Share of every kind's words that vectors are estimated from where others are held out, as in the paper."""
POOL = 2_000
"""Random words to draw from."""


def find_strangers(model: LoadedModel, sets: Sets, seed: int) -> Int64[np.ndarray, " stranger"]:
    """Random tokens that are a space and letters, and stand in no set.

    Raises:
        AnalysisError: the vocabulary has too few.
    """
    taken = set(sets.ids.tolist())
    pieces = ((i, model.tokenizer.piece(i).decode("utf-8", "replace")) for i in range(model.vocabulary))
    others = [i for i, text in pieces if i not in taken and len(text) > 3 and _is_word(text)]
    needed = max(each.tokens for each in sets.concepts)
    if len(others) < needed:
        raise AnalysisError(
            f"Controls need {needed:,} words outside of the hierarchy, and the vocabulary of {model.title} has "
            f"{len(others):,} tokens that begin a word. Choose fewer parents."
        )
    random = np.random.default_rng((seed, 0))
    return np.sort(random.choice(others, min(len(others), max(POOL, 2 * needed)), replace=False))


def _is_word(text: str) -> bool:
    return text[0] == " " and text[1:].isalpha()


def some(
    strangers: Float64[np.ndarray, "stranger d_model"], count: int, random: np.random.Generator
) -> Float64[np.ndarray, "{count} d_model"]:
    """That many of the random words."""
    return strangers[random.choice(len(strangers), count, replace=False)]


def deal(kinds: Sequence[Words], random: np.random.Generator) -> list[Words]:
    """The same words dealt anew; every kind gets as many as it had."""
    words = [word for kind in kinds for word in kind]
    order = iter(random.permutation(len(words)))
    return [tuple(words[next(order)] for _ in kind) for kind in kinds]


def split(words: Words, share: float, random: np.random.Generator) -> tuple[Words, Words]:
    """Words to estimate from, and the others."""
    order, count = random.permutation(len(words)), round(share * len(words))
    return tuple(words[i] for i in order[:count]), tuple(words[i] for i in order[count:])
