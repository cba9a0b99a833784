"""What is probed, as a link holds it: the examples, where they are read, the probe, and what is looked at."""

import re
from dataclasses import dataclass, replace

from analysis.captures import SPOTS
from analysis.data.labelled_sets import IDS
from analysis.labelled_table import OWN, WRITTEN
from analysis.probing import PROBES
from analysis.probing.sparse import KS, NEURONS

BROUGHT = (OWN, WRITTEN)
"""Ids of sets that somebody brought; a link cannot carry their examples."""
SETS, HIERARCHY = PARTS = ("sets", "hierarchy")
"""Parts of the page."""


@dataclass(frozen=True)
class ProbeView:
    """The choices of the probe page."""

    data: str = "truth"
    spot: str = "last"
    probe: str = "logistic"
    part: str = SETS
    asked: bool = False
    """True if it was run: a link then runs it, too, where it carries what is probed."""
    few: int = NEURONS
    """How many neurons are looked at."""
    neuron: int | None = None
    """The one that is looked at; None leaves it to the page."""


def to_text(view: ProbeView) -> str:
    """The choices in one query parameter; empty where they are the first ones."""
    if view == ProbeView():
        return ""
    extras = (
        view.part if view.part != SETS else "",
        "asked" if view.asked and view.data not in BROUGHT else "",
        f"k{view.few}" if view.few != NEURONS else "",
        "" if view.neuron is None else f"n{view.neuron}",
    )
    return "*".join(filter(None, (view.data, view.spot, view.probe, *extras)))


def from_text(text: str) -> ProbeView:
    """The choices a query parameter means, or the first ones."""
    data, spot, probe, *extras = f"{text}***".split("*")
    if data not in (*IDS, *BROUGHT) or spot not in SPOTS or probe not in PROBES:
        return ProbeView()
    view = ProbeView(data, spot, probe)
    for extra in filter(None, extras):
        if (more := _extra(extra)) is None:
            return ProbeView()
        view = replace(view, **more)
    return replace(view, asked=view.asked and data not in BROUGHT)


def _extra(text: str) -> dict[str, object] | None:
    """What a part behind the first three says; None where it makes no sense."""
    if text in PARTS:
        return {"part": text}
    if text == "asked":
        return {"asked": True}
    kind, number = text[0], text[1:]
    if not re.fullmatch(r"[0-9]{1,7}", number) or kind not in "kn" or (kind == "k" and int(number) not in KS):
        return None
    return {"few" if kind == "k" else "neuron": int(number)}
