"""Shipped concepts to steer by: pairs of texts that differ in one thing, and what to try it on.

Chosen for SmolLM2-135M-Instruct: short plain English (and French), words that are one of its tokens. Both
texts of a pair end alike, since a direction is often read from the last token.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from analysis.errors import AnalysisError

IDS = ("sentiment", "formality", "french", "weddings", "sea", "refusal", "truthfulness", "tense", "code")
"""The concepts, in the order in which they are offered; each is a file of that name."""


@dataclass(frozen=True)
class Concept:
    """One concept: examples of both sides to find its direction, and prompts and words to judge it by."""

    id: str
    name: str
    positive: str
    """What the positive side is, in a few words; `negative` likewise."""
    negative: str
    question: str
    """What the direction should capture, in one sentence."""
    license: str
    made: str
    """Where the texts come from."""
    ask: str
    """Put before a prompt, it asks for the positive side in words: the baseline that steering has to beat."""
    chat: bool
    """True if pairs and prompts are a user's turns, to be put into the chat template."""
    strength: float
    """A push to start with, as a fraction of the residual norm."""
    words: tuple[tuple[str, ...], tuple[str, ...]]
    """Words of the positive and of the negative side, without a space in front: their log-odds as the next
    token measure the concept."""
    prompts: tuple[str, ...]
    """Prompts that occur in no pair and can go on either way."""
    pairs: tuple[tuple[str, str], ...]
    """Texts as (positive, negative), alike but for the concept."""


@cache
def concepts() -> tuple[Concept, ...]:
    """All shipped concepts, in a fixed order."""
    folder = files("analysis.data").joinpath("concepts")
    return tuple(_read(folder.joinpath(f"{id}.json").read_text(encoding="utf-8")) for id in IDS)


def concept(id: str) -> Concept:
    """One shipped concept.

    Raises:
        AnalysisError: there is none of that id; the known ones are named.
    """
    if id not in IDS:
        raise AnalysisError(f"{id!r} is no built-in concept; there are {', '.join(IDS)}.")
    return concepts()[IDS.index(id)]


def _read(text: str) -> Concept:
    entry = json.loads(text)
    pairs = tuple((pair["positive"], pair["negative"]) for pair in entry.pop("pairs"))
    words = entry.pop("words")
    sides = tuple(words["positive"]), tuple(words["negative"])
    return Concept(**entry | {"prompts": tuple(entry["prompts"])}, words=sides, pairs=pairs)
