"""The profile of a model: its curves beside their controls, and what papers report that is found in them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from analysis.geometry.compared import Compared
from analysis.geometry.findings import Finding
from analysis.geometry.reported import look
from analysis.knobs import said
from analysis.methods.geometry import Measured
from analysis.models.loaded import LoadedModel
from analysis.results import Provenance

PROFILE = (
    "prompt_entropy",
    "rankme",
    "participation_ratio",
    "spectrum_slope",
    "infonce",
    "lidar",
    "curvature",
    "linearity",
    "linearity_without_skip",
    "self_similarity",
    "block_influence",
    "skip_cost",
    "mean_cosine",
    "isoscore",
    "anisotropy",
    "outlier_dimensions",
    "hubness",
    "twonn",
    "neighbourhood_overlap",
    "position_share",
    "position_rank",
    "position_context_cosine",
    "position_smoothness",
)
"""Ids of the measures of the one-page profile, in its order. Those that need classes of tokens are not among them."""
DEPTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Where the table of values reads the curves."""
FORMAT = "bathyscope profile 1"


@dataclass(frozen=True, eq=False)
class Profile:
    """One model on one corpus."""

    model: str
    revision: str
    dtype: str
    n_layers: int
    d_model: int
    corpus: str
    corpus_source: str
    texts: int
    """That have a point."""
    points: int
    """Tokens that count."""
    left_out: int
    """First tokens and outliers of norm that do not."""
    settings: tuple[tuple[str, str], ...]
    """How it was read, by name; seeds among them."""
    curves: tuple[Compared, ...]
    findings: tuple[Finding, ...]
    missing: tuple[tuple[str, str], ...]
    """Title of every measure that could not be taken, and why."""

    def facts(self) -> tuple[tuple[str, str], ...]:
        """What was read, by name."""
        return (
            ("model", self.model),
            ("revision", self.revision),
            ("dtype", self.dtype),
            ("layers", f"0 (embedding) to {self.n_layers}"),
            ("d_model", str(self.d_model)),
            ("texts", f"{self.texts:,} of “{self.corpus}”"),
            ("text source", self.corpus_source),
            ("tokens (N)", f"{self.points:,}; {self.left_out:,} first tokens and outliers of norm left out"),
            *self.settings,
        )


def assembled(
    model: LoadedModel,
    corpus: tuple[str, str],
    read: tuple[int, int, int],
    curves: Mapping[str, Compared],
    missing: tuple[tuple[str, str], ...] = (),
    settings: tuple[tuple[str, str], ...] = (),
) -> Profile:
    """The profile of what was measured.

    Args:
        model: the model.
        corpus: name and source of the texts.
        read: texts, points that count, points left out.
        curves: by the measure's id, in the order they are shown in.
        missing: title and reason of what could not be measured.
        settings: how it was read, by name.
    """
    return Profile(
        model=model.title,
        revision=model.revision,
        dtype=model.dtype_name,
        n_layers=model.n_layers,
        d_model=model.d_model,
        corpus=corpus[0],
        corpus_source=corpus[1],
        texts=read[0],
        points=read[1],
        left_out=read[2],
        settings=settings,
        curves=tuple(curves.values()),
        findings=look(curves),
        missing=missing,
    )


def at_depths(measured: Measured) -> tuple[tuple[int, float], ...]:
    """Layer and value at five depths, each at the nearest layer that has a value."""
    layers = np.array(measured.layers)
    there = np.flatnonzero(np.isfinite(measured.values))
    places = layers[0] + np.array(DEPTHS) * (layers[-1] - layers[0])
    nearest = [there[np.abs(layers[there] - place).argmin()] for place in places]
    return tuple((int(layers[at]), float(measured.values[at])) for at in nearest)


def to_json(profile: Profile) -> str:
    """The profile as JSON: every curve of every subject, the findings, and where they come from."""
    return json.dumps(
        {
            "format": FORMAT,
            "read": dict(profile.facts()),
            "findings": [asdict(each) for each in profile.findings],
            "measures": [_measure(each) for each in profile.curves],
            "not measured": dict(profile.missing),
        },
        indent=1,
        ensure_ascii=False,
        allow_nan=False,
    )


def _measure(compared: Compared) -> dict[str, object]:
    about = compared.base.measure
    return {
        "id": about.id,
        "title": about.title,
        "unit": about.unit,
        "meaning": about.meaning,
        "formula": about.formula,
        "source": about.source,
        "misleads when": about.misleads_when,
        "knobs": dict(said(compared.base.params)),
        "curves": [_curve(name, one) for name, one in compared.curves()],
    }


def _curve(name: str, measured: Measured) -> dict[str, object]:
    origin: Provenance = measured.curve.provenance
    return {
        "subject": name,
        "model": origin.model,
        "revision": origin.revision,
        "n": measured.count,
        "layers": list(measured.layers),
        "values": _numbers(measured.values),
        "beside": {what: _numbers(values) for what, values in measured.beside.items()},
        "notes": list(measured.notes),
    }


def _numbers(values: np.ndarray) -> list[float | None]:
    """JSON has no NaN; float32 is written with the digits it has."""
    return [float(f"{each:.7g}") if np.isfinite(each) else None for each in values]
