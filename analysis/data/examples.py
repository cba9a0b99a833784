"""Prompts to start from, each with what there is to see."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Example:
    """One prompt of the shipped list."""

    kind: str
    prompt: str
    look_for: str
    """One sentence that sends the eye to the right place."""
    chat: bool = False


EXAMPLES = (
    Example("fact", "The capital of France is", "In which layer does ·Paris first lead, and does it stay?"),
    Example("fact", "The chemical symbol for gold is", "A rarer fact: how late does the answer come?"),
    Example("arithmetic", "2 + 2 =", "The space is certain long before the digit is."),
    Example(
        "induction",
        "Zorblax quimmed the vandle. Zorblax quimmed the",
        "The made-up word returns: copying is settled in the middle.",
    ),
    Example(
        "agreement",
        "The keys to the old wooden cabinet",
        "Singular or plural: compare ·is and ·are as pinned tokens.",
    ),
    Example(
        "garden path",
        "The old man the boats, and the young",
        "Watch the entropy at ·the and ·boats, where the reading breaks.",
    ),
    Example(
        "translation",
        "English: the cat sleeps. French: le chat",
        "Which language do the middle layers speak?",
    ),
    Example("code", "def add(a, b):\n    return a", "·+ is decided by the name of the function above."),
    Example(
        "chat",
        "What is the capital of Italy?",
        "The template's own tokens are part of what the model reads.",
        chat=True,
    ),
)
"""The first one is shown when the app opens."""
