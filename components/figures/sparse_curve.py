"""How well few neurons tell classes apart, by how many are used, beside what tells nothing."""

from collections.abc import Callable

import plotly.graph_objects as go

from analysis.probing.sparse import SparseCurve
from components.figures.by_count import add_area, add_line, show, two_measures
from components.kinds import ASKED, BASE, EDITED, NULL

MEASURES = ("accuracy", "F1")


def draw_sparse_curve(found: SparseCurve, k: int, key: str, on_choose: Callable[[int], None]) -> None:
    """Accuracy and F1 on held-out examples over k; a number of neurons that is clicked is handed on.

    Args:
        found: what is drawn.
        k: the number to mark.
        key: names the chart.
        on_choose: receives k before the script runs again.
    """
    every_other = [str(k) if rank % 2 == 0 else "" for rank, k in enumerate(found.ks)]  # all would touch
    figure = two_measures(MEASURES, "neurons used", found.ks, every_other)
    for number in range(2):
        _add_measure(figure, found, number)
    at = found.at(k)
    alt = f"Held-out accuracy and F1 by the number of neurons; {k} tell {at.accuracy:.0%}, F1 {at.f1:.2f}."
    show(figure, k, key, alt, on_choose)


def _add_measure(figure: go.Figure, found: SparseCurve, number: int) -> None:
    """One of `MEASURES`: the probe, as many random neurons, shuffled labels, and for accuracy the usual class."""
    ks, scores = list(found.ks), found.scores
    shuffled = [[both[number] for both in score.shuffled] for score in scores]
    add_area(figure, number, ks, list(map(min, shuffled)), list(map(max, shuffled)), NULL)
    if number == 0:
        add_area(figure, 0, ks, [score.low for score in scores], [score.high for score in scores], EDITED)
        add_line(figure, 0, ks, [found.baseline] * len(ks), "most frequent class", BASE)
    mean = [sum(each) / len(each) for each in shuffled]
    own = [(score.accuracy, score.f1)[number] for score in scores]
    add_line(figure, number, ks, mean, "shuffled labels", NULL)
    add_line(figure, number, ks, [score.random[number] for score in scores], "random neurons", ASKED)
    add_line(figure, number, ks, own, "most telling neurons", EDITED, marked=True)
