"""What can be read off states, layer by layer, and how much of it is the probe's own doing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from analysis.probing.fits import lda, means
from analysis.probing.logistic import logistic
from analysis.probing.nonlinear import mlp
from analysis.probing.numbers import pls, ridge
from analysis.probing.sparse import sparse


@dataclass(frozen=True)
class ProbeKind:
    """One way to read labels off states."""

    title: str
    source: str
    misleads_when: str
    kind: Literal["classes", "numbers"]
    fit: Callable
    """From states and one labelling per task (and the number of classes) to one probe per task."""


PROBES = {
    "logistic": ProbeKind(
        "logistic regression",
        "Alain & Bengio 2016, arXiv 1610.01644",
        "What can be read need not be used: high accuracy does not say that the model acts on it.",
        "classes",
        logistic,
    ),
    "means": ProbeKind(
        "nearest class mean",
        "Marks & Tegmark 2023, arXiv 2310.06824",
        "A few numbers of the state vary much more than the others and decide what is near.",
        "classes",
        means,
    ),
    "lda": ProbeKind(
        "linear discriminant",
        "Fisher 1936, with the shrinkage of Ledoit & Wolf 2004",
        "Classes spread differently, or examples are fewer than the numbers of a state and shrinkage does the work.",
        "classes",
        lda,
    ),
    "sparse": ProbeKind(
        "16 most telling neurons",
        "Gurnee et al. 2023, arXiv 2305.01610",
        "It is given the residual stream, whose numbers mean nothing one by one; or two neurons tell the same thing.",
        "classes",
        sparse,
    ),
    "mlp": ProbeKind(
        "network of 64 hidden units",
        "Hewitt & Liang 2019, arXiv 1909.03368",
        "It has learned the task rather than read it: its control task then scores high as well.",
        "classes",
        mlp,
    ),
    "ridge": ProbeKind(
        "ridge regression",
        "Gurnee & Tegmark 2023, arXiv 2310.02207",
        "Held-out examples are neighbours of those learned from; or one number is told well and another badly.",
        "numbers",
        ridge,
    ),
    "pls": ProbeKind(
        "partial least squares, 5 components",
        "El-Shangiti et al. 2025, arXiv 2410.13194",
        "Examples are few for its components: it fits noise sooner than ridge regression does.",
        "numbers",
        pls,
    ),
}
"""Every probe that can be run over layers, by id; the first of either kind is its default."""
