"""What papers report of language models, looked for in given curves: found, not found, or it cannot be told.

Each rule asks for an effect of some size and for a control that does not show it as well; it can fail on both.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64, Int64

from analysis.geometry.compared import CONTROLS, Compared, ControlName
from analysis.geometry.shapes import FEWEST
from analysis.methods.geometry import Measured

Verdict = Literal["found", "not found", "cannot tell"]
Judged = tuple[Verdict, str]
"""The verdict and the sentences with the numbers it rests on."""


@dataclass(frozen=True)
class Finding:
    """One claim, and what these curves say of it."""

    id: str
    title: str
    claim: str
    """What is reported, in one sentence."""
    source: str
    """Authors, year, arXiv."""
    verdict: Verdict
    sentence: str
    """The numbers the verdict rests on, and what was asked of them."""


@dataclass(frozen=True)
class Reported:
    """A claim and the rule that looks for it."""

    id: str
    title: str
    claim: str
    source: str
    measures: tuple[str, ...]
    """Ids of the measures whose curves the rule reads."""
    judge: Callable[[Mapping[str, Compared]], Judged]
    """Gets curves by id, those of `measures` among them."""

    def look(self, curves: Mapping[str, Compared]) -> Finding:
        """The finding in these curves."""
        missing = [id for id in self.measures if id not in curves]
        verdict, sentence = (
            ("cannot tell", f"Not measured: {', '.join(missing)}.") if missing else self.judge(curves)
        )
        return Finding(self.id, self.title, self.claim, self.source, verdict, sentence)


@dataclass(frozen=True)
class Size:
    """What a claim comes down to on one curve: the larger, the more of it."""

    value: float
    """NaN where the curve is too short."""
    words: str
    """Where it is and how large, as a clause."""


@dataclass(frozen=True)
class Rule:
    """How large the effect must be, and which controls must not show it."""

    least: float
    controls: tuple[ControlName, ...]
    asked: str
    """What `least` is, for the sentence: “a valley of 10 %”."""
    shown: str = "{:.0%}"
    """How a size is written."""

    @property
    def margin(self) -> float:
        """By how much every control must stay below."""
        return self.least / 2


def known(measured: Measured) -> tuple[Int64[np.ndarray, " layer"], Float64[np.ndarray, " layer"]]:
    """The layers that have a value, and the values."""
    values = measured.values.astype(np.float64)
    there = np.isfinite(values)
    return np.array(measured.layers, np.int64)[there], values[there]


def judged(compared: Compared, size: Callable[[Measured], Size], rule: Rule) -> Judged:
    """A size held against a least one and against that of the controls.

    Found: it is large enough, and every control that decides stays below by half the least size. Not found: it is too
    small, or a control comes as near. Cannot tell: the curve is too short, or no control that decides was measured.

    Args:
        compared: the measure and its controls.
        size: what the claim comes down to on one curve.
        rule: what is asked.
    """
    own = size(compared.base)
    if not np.isfinite(own.value):
        return "cannot tell", f"This needs values at {FEWEST} layers or more; {too_few(compared.base)}"
    rivals = {id: [size(each).value for each in compared.of(id)] for id in CONTROLS}
    rivals = {id: [each for each in values if np.isfinite(each)] for id, values in rivals.items()}
    sentence = " ".join([f"{own.words}.", *_controls(rivals, rule), f"Asked for: {_asked(rule)}."])
    deciding = [value for id in rule.controls for value in rivals[id]]
    if own.value < rule.least:
        return "not found", sentence
    if not deciding:
        names = " and ".join(CONTROLS[id] for id in rule.controls)
        return "cannot tell", f"{sentence} Not measured: {names}."
    beyond = own.value - max(deciding) >= rule.margin
    return ("found" if beyond else "not found"), sentence


def too_few(measured: Measured) -> str:
    """What there is of a curve that is too short."""
    count = len(known(measured)[0])
    return f"{measured.measure.title} has values at {count}."


def _controls(rivals: Mapping[str, list[float]], rule: Rule) -> list[str]:
    said = []
    for id, values in rivals.items():
        if values:
            ends = dict.fromkeys(rule.shown.format(each) for each in (min(values), max(values)))
            said.append(f"{CONTROLS[id]} {' to '.join(ends)}")
    return [f"The same of controls: {'; '.join(said)}."] if said else []


def _asked(rule: Rule) -> str:
    names = " and the ".join(CONTROLS[id] for id in rule.controls)
    return f"{rule.asked} or more, and the {names} below by half of that"
