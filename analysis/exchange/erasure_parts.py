"""An erasure as a file holds it: texts and numbers as JSON, and three tensors for all its layers together.

`mean` [layer, d_model]; `left` and `right` [rank, d_model], layer after layer, as many rows for each as its rank,
`left` transposed. Where nothing is taken out at any layer, there are no rows and neither of the two.
"""

from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from analysis.edits import Positions
from analysis.erasers import ERASERS
from analysis.erasers.eraser import Eraser
from analysis.erasers.erasure import Erasure
from analysis.exchange import checks
from analysis.exchange.checks import MOST_LAYERS, Arrays, Content, Wrong

TEXTS = ("name", "weights", "how")
NUMBERS = ("layers", "ranks", "iterations")
"""Lists with one entry for each layer."""


def apart(erasure: Erasure) -> tuple[Content, Arrays]:
    """What JSON holds of it, and its tensors."""
    content = {field: str(getattr(erasure, field)) for field in TEXTS} | {
        "method": erasure.method,
        "layers": [int(layer) for layer in erasure.layers],
        "ranks": [each.rank for each in erasure.erasers],
        "iterations": [int(each.iterations) for each in erasure.erasers],
        "positions": positions_apart(erasure.positions),
    }
    arrays = {
        "mean": np.stack([each.mean for each in erasure.erasers]),
        "left": np.concatenate([each.left.T for each in erasure.erasers]),
        "right": np.concatenate([each.right for each in erasure.erasers]),
    }
    return content, {name: np.ascontiguousarray(array) for name, array in arrays.items() if array.size}


def joined(content: Any, arrays: Arrays, place: str = "") -> Erasure:
    """The erasure of a file that says this; its tensors' names begin with `place`."""
    checks.require_fields(content, "erasure", (*TEXTS, *NUMBERS, "method", "positions"))
    method = checks.choice(content["method"], "method", tuple(ERASERS))
    mean = checks.array(arrays, f"{place}mean", 2)
    layers = [checks.layer(layer) for layer in checks.items(content["layers"], "layers", MOST_LAYERS)]
    ranks = _by_layer(content, "ranks", mean.shape[1])
    iterations = _by_layer(content, "iterations", 10**9)
    if not len(layers) == len(ranks) == len(iterations) == len(mean):
        raise Wrong(
            f"its erasure has {len(layers)} layers, {len(ranks)} ranks, {len(iterations)} iterations and {len(mean)} "
            "means; expected one of each per layer"
        )
    left, right = (_rows(arrays, f"{place}{name}", sum(ranks), mean.shape[1]) for name in ("left", "right"))
    ends = list(accumulate(ranks, initial=0))
    return Erasure(
        **{field: checks.text(content[field], field) for field in TEXTS},
        layers=tuple(layers),
        erasers=tuple(
            Eraser(method, mean[number], left[first:end].T, right[first:end], iterations[number])
            for number, (first, end) in enumerate(pairwise(ends))
        ),
        positions=checks.positions(content["positions"]),
    )


def positions_apart(positions: Positions) -> str | list[int]:
    """Which tokens an edit touches, as JSON holds it."""
    return positions if isinstance(positions, str) else [int(position) for position in positions]


def _by_layer(content: Content, what: str, most: int) -> list[int]:
    return [checks.whole(number, what, most) for number in checks.items(content[what], what, MOST_LAYERS)]


def _rows(arrays: Arrays, name: str, rank: int, width: int) -> np.ndarray:
    """(rank, width): what all layers together take out, or read off."""
    if not rank and name not in arrays:
        return np.zeros((0, width), np.float32)
    rows = checks.array(arrays, name, 2)
    if rows.shape != (rank, width):
        raise Wrong(
            f"its tensor {checks.shown(name)} is {list(rows.shape)}; expected {[rank, width]}, a row for every "
            "dimension that is taken out"
        )
    return rows
