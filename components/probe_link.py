"""What is probed, as a link holds it: a shipped set, where examples are read, and the probe."""

from dataclasses import dataclass

from analysis.captures import SPOTS
from analysis.data.labelled_sets import IDS
from analysis.probing import PROBES

OWN = "own"
"""The id of a set that somebody brought; a link cannot carry its examples."""


@dataclass(frozen=True)
class ProbeView:
    """The choices of the probe page."""

    data: str = "truth"
    spot: str = "last"
    probe: str = "logistic"


def to_text(view: ProbeView) -> str:
    """The choices in one query parameter; empty where they are the first ones."""
    return "" if view == ProbeView() else f"{view.data}*{view.spot}*{view.probe}"


def from_text(text: str) -> ProbeView:
    """The choices a query parameter means, or the first ones."""
    parts = text.split("*")
    if len(parts) != 3 or parts[0] not in (*IDS, OWN) or parts[1] not in SPOTS or parts[2] not in PROBES:
        return ProbeView()
    return ProbeView(*parts)
