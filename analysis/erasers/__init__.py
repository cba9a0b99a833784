"""Taking a concept out of states: what each eraser promises, and where the promise ends."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EraserKind:
    """One way to find the subspace that is taken out."""

    title: str
    source: str
    misleads_when: str
    guarantee: str
    """What holds of the examples it was fitted to, in one sentence."""
    streams: bool
    """True if it is fitted from `Moments` or from less, so that states need not be kept."""
    of_numbers: bool
    """True if it can be fitted to numbers such as a year, not to classes alone."""


ERASERS = {
    "leace": EraserKind(
        "LEACE",
        "Belrose et al. 2023, arXiv 2306.03819; shrinkage by Bodnar, Gupta & Parolya 2014, arXiv 1308.2608",
        "A nonlinear probe reads on, later layers rebuild what was erased, or new examples are unlike those fitted to.",
        "No linear reading with a convex loss, such as logistic regression, beats a constant guess; where states vary "
        "as estimated, no affine change that achieves this moves them less.",
        True,
        True,
    ),
    "means": EraserKind(
        "projection off the class means",
        "the orthogonal eraser of Belrose et al. 2023, arXiv 2306.03819",
        "States vary much along the means for other reasons: all of that goes too, where LEACE keeps most of it.",
        "No linear reading with a convex loss, such as logistic regression, beats a constant guess, and no orthogonal "
        "projection of lower rank achieves this.",
        True,
        True,
    ),
    "inlp": EraserKind(
        "INLP (iterative nullspace projection)",
        "Ravfogel et al. 2020, arXiv 2004.07667",
        "A class is rare and the search stops at once, or the rank grows until ordinary content goes with the concept.",
        "The last classifier does not beat the majority if the search ended before its last iteration.",
        False,
        False,
    ),
    "rlace": EraserKind(
        "R-LACE (adversarial projection)",
        "the objective of Ravfogel et al. 2022, arXiv 2201.12091, played by best answers",
        "The rank is below the number of classes minus 1: much can remain, and another start might have hidden more.",
        "From rank classes - 1 on no linear reading with a convex loss beats a constant guess; below, the last round "
        "found nothing better to hide.",
        False,
        False,
    ),
    "direction": EraserKind(
        "one direction",
        "Arditi et al. 2024, arXiv 2406.11717",
        "The concept is spread over several directions: the others carry on.",
        "States no longer differ along this direction; whether they show the concept elsewhere is open.",
        True,
        True,
    ),
    "random": EraserKind(
        "random subspace",
        "the control of Elazar et al. 2021, arXiv 2006.00995 (amnesic probing)",
        "States vary in few directions: a random subspace then hits almost nothing, whatever its rank.",
        "None: what it changes is what any loss of so many dimensions changes.",
        True,
        True,
    ),
}
"""Every eraser, by the id that `Eraser.method` holds; the first is the default."""
