"""What the real worker process computes, with array annotations checked, beside what the libraries do by themselves."""

import sys
import types

import numpy as np
from beartype import beartype
from jaxtyping import install_import_hook

sys.modules["annotation_checks"] = types.ModuleType("annotation_checks")
sys.modules["annotation_checks"].checked = beartype
install_import_hook("analysis.projections.fits", "annotation_checks.checked")

from analysis.projections import fits  # noqa: E402


def plain_umap(
    states: np.ndarray,
    init: np.ndarray,
    near: np.ndarray,
    distances: np.ndarray,
    min_dist: float,
    seed: int,
    say,
) -> tuple[dict, dict]:
    """umap-learn as its documentation calls it."""
    from umap import UMAP

    given = {"min_dist": min_dist, "init": init, "random_state": seed, "n_jobs": 1, "n_epochs": 500}
    fitted = UMAP(near.shape[1], precomputed_knn=(near, distances), **given).fit(states)
    return {"coordinates": fitted.embedding_}, {}


def loaded(say) -> tuple[dict, dict]:
    """Packages of this process."""
    return {}, {"packages": sorted({name.partition(".")[0] for name in sys.modules})}


TASKS = fits.TASKS | {"plain_umap": plain_umap, "loaded": loaded}
