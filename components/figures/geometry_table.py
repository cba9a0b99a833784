"""Curves over the layers as tables: one row per subject, measure and layer, and one per token."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from analysis.geometry.cloud import Cloud
from components.figures.geometry_svg import Shown

FIXED = 6
"""Entries of provenance that every measure has; what follows are its own settings."""


def table(shown: Sequence[Shown]) -> pd.DataFrame:
    """One row per subject, measure and layer, with companions, notes and provenance."""
    return pd.concat([_rows(*each) for each in shown], ignore_index=True)


def _rows(name: str, kind: str, measured) -> pd.DataFrame:
    beside = [
        "; ".join(
            f"{what}: {values[at]:.6g}" for what, values in measured.beside.items() if np.isfinite(values[at])
        )
        for at in range(len(measured.layers))
    ]
    frame = pd.DataFrame(
        {
            "subject": name,
            "kind": kind,
            "measure": measured.measure.id,
            "title": measured.measure.title,
            "layer": measured.layers,
            "value": measured.values,
            "unit": measured.measure.unit,
            "n": measured.count,
            "companions": beside,
            "notes": [_note(measured.notes, layer) for layer in measured.layers],
        }
    )
    lines = measured.curve.provenance.lines()
    for what, value in lines[:FIXED]:
        frame[what.replace(" ", "_")] = value
    frame["settings"] = "; ".join(f"{what}: {value}" for what, value in lines[FIXED:])
    return frame


def _note(notes: Sequence[str], layer: int) -> str:
    """What is noted of this layer; notes begin with the layer they are about."""
    return " ".join(each for each in notes if each.startswith(f"Layer {layer}:"))


def has_tokens(shown: Sequence[Shown]) -> bool:
    """True if a measure says something of single tokens."""
    return any(measured.per_point is not None for _, _, measured in shown)


def token_table(shown: Sequence[Shown], clouds: Mapping[str, Cloud]) -> pd.DataFrame:
    """One row per subject, measure, layer and token that has a value of its own.

    Args:
        shown: the curves.
        clouds: the points by the subject's name; of others the token's number alone is known.
    """
    parts = [_token_rows(*each, clouds.get(each[0])) for each in shown if each[2].per_point is not None]
    return pd.concat(parts, ignore_index=True)


def _token_rows(name: str, kind: str, measured, cloud: Cloud | None) -> pd.DataFrame:
    at, point = np.nonzero(np.isfinite(measured.per_point))
    frame = pd.DataFrame(
        {
            "subject": name,
            "kind": kind,
            "measure": measured.measure.id,
            "quantity": measured.measure.per_point,
            "layer": np.array(measured.layers)[at],
            "point": point,
            "value": measured.per_point[at, point],
        }
    )
    if cloud is not None and len(cloud) == measured.per_point.shape[1]:
        frame["text"] = cloud.text[point]
        frame["position"] = cloud.position[point]
        frame["token_id"] = cloud.token[point]
        frame["token"] = np.array(cloud.shown, dtype=object)[point]
    return frame


def parquet(frame: pd.DataFrame) -> bytes:
    """A table as Parquet."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()
