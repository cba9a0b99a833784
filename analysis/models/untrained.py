"""The same architecture before it learned anything: the control for whatever is said of a trained model."""

import psutil
import torch

from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel
from analysis.models.opening import wrap
from analysis.store import size_text


def untrained(model: LoadedModel, seed: int = 0, report: Report = silent) -> LoadedModel:
    """A model of the same shape, initialised as its family is before training, with the same tokenizer.

    Args:
        model: what to imitate.
        seed: the same seed gives the same weights.
        report: progress; raises `Cancelled` to stop.

    Returns:
        A model of its own, with its own worker; close it when it is not needed any more.

    Raises:
        AnalysisError: there is no memory for a second model of this size.

    Source: randomly initialised networks as the control of saliency and probes, e.g. Adebayo et al. 2018,
        arXiv 1810.03292.
    Misleads when: initialisation alone already shapes what is measured: depth mixes tokens and the residual stream
        keeps the embedding. That part is not learned, and seeing it is the point.
    """
    free = psutil.virtual_memory().available
    if model.n_bytes * 2 > free:  # it is made in float32, and then cast
        raise AnalysisError(
            f"A second model with random weights takes up to {size_text(2 * model.n_bytes)}, and "
            f"{size_text(free)} are free. Leave this control out, or open a smaller model."
        )
    report("Drawing random weights")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = type(model.network)(model.network.config)
    return wrap(
        model.spec,
        network.to(model.dtype).requires_grad_(False),
        model.tokenizer.backend,
        title=f"{model.title} with random weights",
        revision=f"random weights, seed {seed}, shaped as {model.revision}",
        dtype_reason="As the trained model's.",
    )
