"""Edits of whole states: a subspace taken out, or other activations put in their place."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float32

from analysis.edits.edit import Positions, Site
from analysis.errors import AnalysisError


@dataclass(frozen=True, eq=False)
class Erase:
    """Take a subspace out, about a mean: x - left right (x - mean).

    Source: Belrose et al. 2023, arXiv 2306.03819 (LEACE); orthogonal where `left` is `right` transposed.
    Misleads when: what was erased comes back: later layers rebuild it from other tokens, and it may be there in a form
    that is not linear.
    """

    site: Site
    mean: Float32[np.ndarray, " d_model"]
    left: Float32[np.ndarray, "d_model rank"]
    right: Float32[np.ndarray, "rank d_model"]
    positions: Positions = "all"
    label: ClassVar[str] = "erase a concept"

    def __post_init__(self):
        mean, left, right = (np.array(each, np.float32) for each in (self.mean, self.left, self.right))
        fits = left.ndim == 2 and left.shape == right.shape[::-1] and mean.shape == left.shape[:1]
        if not fits or not all(np.isfinite(each).all() for each in (mean, left, right)):
            raise AnalysisError(
                "Erase needs a finite mean (d_model,), left (d_model, rank) and right (rank, d_model); given shapes "
                f"{mean.shape}, {left.shape} and {right.shape}."
            )
        for name, each in (("mean", mean), ("left", left), ("right", right)):
            each.flags.writeable = False
            object.__setattr__(self, name, each)

    def apply(self, x, at):
        """Return x without its part in the subspace."""
        if not self.left.shape[1]:
            return x
        mean, left, right = (
            torch.tensor(each, device=x.device) for each in (self.mean, self.left, self.right)
        )
        wide = x.float()
        return (wide - (wide - mean) @ right.T @ left.T).to(x.dtype)


@dataclass(frozen=True, eq=False)
class Replace:
    """Put other activations in place of the model's own (activation patching).

    Source: Vig et al. 2020, arXiv 2004.12265; Meng et al. 2022, arXiv 2202.05262.
    Misleads when: the replacement is far from anything the model produces.
    """

    site: Site
    values: Float32[np.ndarray, "chosen d_model"]
    """One row for each of `positions`, in their order."""
    positions: tuple[int, ...]
    label: ClassVar[str] = "replace by other activations"

    def __post_init__(self):
        values = np.ascontiguousarray(self.values, dtype=np.float32)
        apart = isinstance(self.positions, tuple) and len(set(self.positions)) == len(self.positions)
        if not apart or values.shape[:-1] != (len(self.positions),) or not np.isfinite(values).all():
            raise AnalysisError(
                f"Replace needs a tuple of different positions and one finite vector for each; given positions "
                f"{self.positions!r} and values of shape {values.shape}."
            )
        values.flags.writeable = False
        object.__setattr__(self, "values", values)

    def apply(self, x, at):
        """Return the replacement rows of the positions in `at`."""
        order = [self.positions.index(position) for position in at.tolist()]
        return torch.from_numpy(self.values[order]).to(x)
