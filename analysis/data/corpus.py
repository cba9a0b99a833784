"""Shipped text to fit lenses on.

About 20,000 tokens sampled from SmolLM2-135M-Instruct itself (`write_samples.py`, seeded): encyclopedia,
news, stories, letters, recipes, questions and answers, code. Model samples are free of other people's
rights; they are fluent, not true.
"""

from functools import cache
from importlib.resources import files

SEPARATOR = "\n\x1e\n"
"""Between documents: a line with the ASCII record separator."""


@cache
def documents() -> tuple[str, ...]:
    """The documents, in a fixed shuffled order."""
    text = files("analysis.data").joinpath("samples.txt").read_text(encoding="utf-8")
    return tuple(text.split(SEPARATOR))
