"""Which class each point of a cloud is of, as numbers."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from analysis.geometry.cloud import Cloud


@dataclass(frozen=True, eq=False)
class Classes:
    """Classes in alphabetical order."""

    names: tuple[str, ...]
    of: Int64[np.ndarray, " point"]
    """Number of each point's class; -1 where it has none."""

    @property
    def labelled(self) -> Bool[np.ndarray, " point"]:
        """True where a point has a class."""
        return self.of >= 0

    def sizes(self) -> Int64[np.ndarray, " class"]:
        """Points of each class."""
        return np.bincount(self.of[self.labelled], minlength=len(self.names)).astype(np.int64)


def classes(cloud: Cloud) -> Classes:
    """The classes of a cloud's points; none where it has no labels."""

    def number() -> Classes:
        names = tuple(sorted({label for label in cloud.labels if label}))
        place = {name: i for i, name in enumerate(names)}
        own = [place.get(label, -1) for label in cloud.labels] or [-1] * len(cloud)
        return Classes(names, np.array(own, np.int64))

    return cloud.once("classes", number)
