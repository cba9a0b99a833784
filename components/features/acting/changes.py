"""The changes of the link: adding one, changing it, taking it out, undoing; and the edits they mean."""

import re
from typing import get_args

import streamlit as st

from analysis.dictionaries.dictionary import Dictionary
from analysis.edits import Change, ChangeFeatures, Part, Positions
from components import session
from components.features.choices import change

View = tuple[int, str, float, str]
"""Feature, operation, value and places, as the link holds them."""
MOST = 8
"""Changes at a time; more of them nobody understands."""
MOST_REMEMBERED = 30
PARTS = get_args(Part)
EVERYWHERE = "after_first"


def changes() -> tuple[View, ...]:
    """Those of the link."""
    return session.view().features.changes


def put(new: tuple[View, ...]) -> None:
    """Other changes in place of those at hand, which `undo` brings back."""
    before = changes()
    if new == before:
        return
    st.session_state.setdefault("feature_changes_before", []).append(before)
    del st.session_state.feature_changes_before[:-MOST_REMEMBERED]
    change(changes=new)


def undo() -> None:
    """Back to the changes before the last one."""
    if before := st.session_state.get("feature_changes_before"):
        change(changes=before.pop())


def add(feature: int, operation: str, value: float, where: str = EVERYWHERE) -> None:
    """One more change; a feature that is changed at these places already gets this operation instead."""
    others = tuple(each for each in changes() if (each[0], each[3]) != (feature, where))
    if len(others) < MOST:
        put((*others, (feature, operation, rounded(value), where)))


def replace_at(number: int, **fields: object) -> None:
    """Change parts of one of them: `operation`, `value`, `where`."""
    rows = list(changes())
    if number < len(rows):
        feature, *rest = rows[number]
        own = dict(zip(("operation", "value", "where"), rest, strict=True)) | fields
        rows[number] = (feature, own["operation"], rounded(own["value"]), own["where"])
        put(tuple(rows))


def remove(number: int) -> None:
    """Take one out."""
    rows = changes()
    put(rows[:number] + rows[number + 1 :])


def rounded(value: float) -> float:
    """As many digits as a link holds, so that whoever opens it sees the same."""
    return float(f"{value:.4g}")


def positions_of(where: str) -> Positions:
    """The tokens that the places of a change name; all but the first where they name none."""
    if where in PARTS:
        return where  # type: ignore[return-value]
    if re.fullmatch(r"[0-9]{1,6}(_[0-9]{1,6}){0,7}", where):
        return tuple(dict.fromkeys(map(int, where.split("_"))))
    return EVERYWHERE


def edits_of(dictionary: Dictionary, rows: tuple[View, ...]) -> tuple[ChangeFeatures, ...]:
    """One edit for all changes at the same places, in their order.

    Raises:
        AnalysisError: a feature does not exist, or is changed twice at the same places.
    """
    places: dict[Positions, list[Change]] = {}
    for feature, operation, value, where in rows:
        places.setdefault(positions_of(where), []).append(Change(feature, operation, value))
    return tuple(ChangeFeatures(dictionary, tuple(own), at) for at, own in places.items())
