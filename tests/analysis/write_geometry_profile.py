"""Write `geometry_profile.json`: every curve of the default model on a fixed part of the shipped text.

Run: python -m tests.analysis.write_geometry_profile
"""

import json
from pathlib import Path

import numpy as np

from analysis import LoadedModel, load
from analysis.errors import AnalysisError
from analysis.geometry.measures import MEASURES
from analysis.methods.geometry import measured, read, shipped_text

FILE = Path(__file__).with_name("geometry_profile.json")
TEXTS, LENGTH, LAYERS = 48, 64, (0, 1, 6, 12, 18, 24, 29, 30)


def profile(model: LoadedModel) -> dict:
    """Curves by the id of their measure, to six digits; those that these texts cannot have are left out."""
    cloud = read(model, shipped_text(), layers=LAYERS, most=TEXTS, length=LENGTH)
    found = {"tokens": len(cloud), "left out": cloud.left_out}
    for each in MEASURES:
        if each.reads == "cloud":
            try:
                curve = measured(model, cloud, each).values.astype(float)
            except AnalysisError:
                continue
            found[each.id] = [None if np.isnan(value) else float(f"{value:.6g}") for value in curve]
    return found


if __name__ == "__main__":
    FILE.write_text(json.dumps(profile(load()), indent=1) + "\n", encoding="utf-8")
