"""How well few features tell classes apart, by how many are used, beside what tells nothing and what tells all."""

from collections.abc import Callable, Sequence

import numpy as np
import plotly.graph_objects as go

from analysis.dictionaries.telling_apart.sparse_probe import SparseProbe, Told
from components.figures.by_count import add_area, add_line, show, two_measures
from components.kinds import ASKED, BASE, EDITED, NULL

MEASURES = ("balanced accuracy", "AUROC")


def draw_probe(
    found: SparseProbe,
    k: int,
    raw: str,
    key: str,
    on_choose: Callable[[int], None],
    features: str = "features",
) -> None:
    """Both measures on held-out examples over k; a number of features that is clicked is handed on.

    Args:
        found: what is drawn.
        k: the number to mark.
        raw: what the numbers of the raw state are called; empty where the features are those numbers.
        key: names the chart.
        on_choose: receives k before the script runs again.
        features: what features are called.
    """
    figure = two_measures(MEASURES, f"{features} used", found.ks, list(map(str, found.ks)))
    for number in range(2):
        _add_measure(figure, found, number, raw, features)
    lowest = min(0.5 * found.chance, *(each.shuffled.min() for each in found.scores))
    figure.update_yaxes(range=[max(lowest - 0.03, 0), 1.03])
    at = found.at(k).features
    alt = (
        f"Held-out balanced accuracy and AUROC by the number of {features}; {k} tell {at.balanced.value:.0%}, AUROC "
        f"{at.auroc.value:.2f}; all raw numbers tell {found.dense.balanced.value:.0%}."
    )
    show(figure, k, key, alt, on_choose)


def _add_measure(figure: go.Figure, found: SparseProbe, number: int, raw: str, features: str) -> None:
    """One of `MEASURES`."""
    ks, scores = list(found.ks), found.scores

    def of(told: Sequence[Told]) -> list:
        return [(each.balanced, each.auroc)[number] for each in told]

    def values(told: Sequence[Told]) -> list[float]:
        return [each.value for each in of(told)]

    shuffled = np.array([each.shuffled[:, number] for each in scores])
    own = of([each.features for each in scores])
    add_area(figure, number, ks, shuffled.min(1), shuffled.max(1), NULL)
    add_area(figure, number, ks, [each.low for each in own], [each.high for each in own], EDITED)
    dense = values([found.dense]) * len(ks)
    add_line(figure, number, ks, dense, "all numbers of the state", BASE, "solid")
    add_line(figure, number, ks, values([each.random for each in scores]), f"random {features}", ASKED, "dot")
    add_line(figure, number, ks, shuffled.mean(1), "shuffled labels", NULL, "dash")
    if raw:
        add_line(
            figure,
            number,
            ks,
            values([each.raw for each in scores]),
            f"best {raw}",
            BASE,
            "dash",
            marked=True,
        )
    add_line(
        figure,
        number,
        ks,
        values([each.features for each in scores]),
        f"best {features}",
        EDITED,
        "solid",
        True,
    )
