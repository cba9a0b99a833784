"""What methods answer: a few general shapes, each with its unit, its bounds and where it comes from.

None of these has a default for unit, bounds or provenance: a number without a unit cannot be built.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32

from analysis.errors import AnalysisError


@dataclass(frozen=True)
class Provenance:
    """Everything another person needs to get the same numbers."""

    model: str
    revision: str
    dtype: str
    method: str
    source: str
    """Authors, year, arXiv."""
    misleads_when: str
    settings: tuple[tuple[str, str], ...] = ()
    """Name and value of every knob, seeds among them."""

    def lines(self) -> tuple[tuple[str, str], ...]:
        """Name and value of every entry, for a caption or a file's header."""
        fixed = (
            ("model", self.model),
            ("revision", self.revision),
            ("dtype", self.dtype),
            ("method", self.method),
            ("source", self.source),
            ("misleads when", self.misleads_when),
        )
        return fixed + self.settings


@dataclass(frozen=True)
class Bounds:
    """The interval a quantity can lie in; None is open."""

    low: float | None
    high: float | None

    def require(self, values: np.ndarray, name: str) -> None:
        """Refuse values outside the interval (NaN means "not defined here" and passes).

        Raises:
            AnalysisError: a value is outside: the computation is wrong, not the picture.
        """
        known = values[~np.isnan(values)]
        low, high = (-np.inf if self.low is None else self.low), (np.inf if self.high is None else self.high)
        if known.size and (known.min() < low or known.max() > high):
            raise AnalysisError(
                f"{name} lies in [{low}, {high}] by definition, but {known.min():.4g} to {known.max():.4g} came out."
            )


@dataclass(frozen=True, eq=False)
class LayerByPosition:
    """One number for every layer and token."""

    title: str
    unit: str
    bounds: Bounds
    provenance: Provenance
    values: Float32[np.ndarray, "layer position"]
    """Rows are layers 0 to L; NaN where the quantity is not defined."""
    labels: tuple[str, ...]
    """The tokens, as shown."""

    def __post_init__(self):
        _require_labels(self.values.shape[1], self.labels, self.title)
        self.bounds.require(self.values, self.title)
        self.values.flags.writeable = False

    def at_position(self, position: int) -> "LayerCurve":
        """The same quantity along the layers of one token."""
        label = self.labels[position]
        return LayerCurve(
            self.title,
            self.unit,
            self.bounds,
            self.provenance,
            self.values[None, :, position].copy(),
            (label,),
        )


@dataclass(frozen=True, eq=False)
class LayerCurve:
    """One or several quantities of one unit along the layers."""

    title: str
    unit: str
    bounds: Bounds
    provenance: Provenance
    values: Float32[np.ndarray, "curve layer"]
    labels: tuple[str, ...]
    """One name per curve."""

    def __post_init__(self):
        _require_labels(self.values.shape[0], self.labels, self.title)
        self.bounds.require(self.values, self.title)
        self.values.flags.writeable = False


@dataclass(frozen=True, eq=False)
class AgainstNull:
    """One number of an edited run at several places, beside the same number of its random controls."""

    title: str
    unit: str
    bounds: Bounds
    provenance: Provenance
    axis: str
    """What the places are: `layer`, `token`, `strength`."""
    labels: tuple[str, ...]
    """One name per place."""
    values: Float32[np.ndarray, " place"]
    """Of the edited run; NaN where it is not defined."""
    nulls: Float32[np.ndarray, "null place"]
    """Of each random control."""

    def __post_init__(self):
        _require_labels(len(self.values), self.labels, self.title)
        for values in (self.values, self.nulls):
            self.bounds.require(values, self.title)
            values.flags.writeable = False

    @property
    def band(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest control at every place; NaN where no control is defined."""
        # fmin and fmax prefer a number to NaN, and start from NaN where there is nothing
        return np.fmin.reduce(self.nulls, initial=np.nan), np.fmax.reduce(self.nulls, initial=np.nan)

    @property
    def outside(self) -> np.ndarray:
        """(place,) True where the edited run lies outside all of its controls."""
        low, high = self.band
        return (self.values < low) | (self.values > high)


@dataclass(frozen=True, eq=False)
class PointCloud:
    """The same points in one picture per layer."""

    title: str
    unit: str
    """Of the coordinates."""
    bounds: Bounds
    provenance: Provenance
    layers: tuple[int, ...]
    """One picture each, ascending."""
    coordinates: Float32[np.ndarray, "layer point axis"]
    axes: tuple[str, ...]
    """What each axis is; two or three."""
    labels: tuple[str, ...]
    """One name per point."""

    def __post_init__(self):
        _require_labels(self.coordinates.shape[0], tuple(map(str, self.layers)), self.title)
        _require_labels(self.coordinates.shape[1], self.labels, self.title)
        _require_labels(self.coordinates.shape[2], self.axes, self.title)
        self.bounds.require(self.coordinates, self.title)
        self.coordinates.flags.writeable = False


@dataclass(frozen=True, eq=False)
class TokenRanking:
    """The most probable tokens at one place, in order."""

    title: str
    unit: str
    bounds: Bounds
    provenance: Provenance
    values: Float32[np.ndarray, " rank"]
    """Largest first."""
    ids: tuple[int, ...]
    labels: tuple[str, ...]

    def __post_init__(self):
        _require_labels(len(self.values), self.labels, self.title)
        self.bounds.require(self.values, self.title)
        self.values.flags.writeable = False


def with_settings(provenance: Provenance, **settings: object) -> Provenance:
    """The same provenance with more knobs written down."""
    added = tuple((name.replace("_", " "), str(value)) for name, value in settings.items())
    return replace(provenance, settings=provenance.settings + added)


def _require_labels(expected: int, labels: tuple[str, ...], title: str) -> None:
    if len(labels) != expected:
        raise AnalysisError(f"{title} has {expected} entries but {len(labels)} labels.")
