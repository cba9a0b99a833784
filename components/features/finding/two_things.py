"""The features that tell two things apart: two labels, two collections of texts, or two prompts."""

from importlib import import_module

from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.shelf import Offer
from components.features.choices import choose, chosen
from components.frame import Frame
from components.view_controls import segments

FIRST = "two_labels"
KINDS = {FIRST: "Two labels", "two_collections": "Two collections of texts", "two_prompts": "Two prompts"}
"""What can be told apart, by the name of its module."""


def draw(frame: Frame, offer: Offer, dictionary: Dictionary, heading) -> None:
    """This section of the page."""
    now = chosen("apart", FIRST)
    now = now if now in KINDS else FIRST
    segments(
        "What is told apart",
        KINDS,
        key="features_apart",
        now=now,
        change=lambda kind: choose("apart", None if kind == FIRST else kind),
    )
    import_module(f"components.features.finding.{now}").draw(frame, offer, dictionary, heading)
