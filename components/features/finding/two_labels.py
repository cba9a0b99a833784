"""The features that tell the texts of one label from those of another, or from all others."""

import streamlit as st

from analysis.corpora.columns import as_classes
from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.shelf import Offer
from analysis.dictionaries.telling_apart.sides import OTHERS, TwoSides, of_label
from components.features.finding.comparison import draw_comparison, sides_said
from components.features.finding.sources import Source, choose_one, draw_pool, draw_source
from components.frame import Frame


def draw(frame: Frame, offer: Offer, dictionary: Dictionary, heading) -> None:
    """This kind of comparison."""
    source = draw_source()
    if source is None:
        return
    with source.beside:
        pool = draw_pool(source.corpus, "apart_pool")
    one, other = st.columns(2)
    names = _names(source)
    with one:
        first = choose_one("More in", "first", names, next(iter(names)))
    with other:
        rest = {name: said for name, said in names.items() if name != first}
        more = {OTHERS: OTHERS} if len(rest) > 1 else {}
        second = choose_one("than in", "second", rest | more, OTHERS if more else next(iter(rest)))
    sides = sides_said(lambda: _sides(source, first, second))
    if sides is None:
        return
    call = f"of_label(corpus, {source.column!r}, {first!r}, {None if second == OTHERS else second!r})"
    code = (*source.code, "from analysis.dictionaries.telling_apart.sides import of_label", f"sides = {call}")
    draw_comparison(frame, offer, dictionary, heading, sides, pool, code)


def _names(source: Source) -> dict[str, str]:
    """The values of the column, the most frequent first."""
    counts = as_classes(source.corpus.columns[source.column]).value_counts()
    return {name: f"{name} ({count:,})" for name, count in counts.items()}


def _sides(source: Source, first: str, second: str) -> TwoSides:
    return of_label(source.corpus, source.column, first, None if second == OTHERS else second)
