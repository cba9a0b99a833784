"""Every measure there is, by the question it answers: the only list of them."""

from analysis.geometry.measure import Measure
from analysis.geometry.measures.convex import CONVEX
from analysis.geometry.measures.dimensions import DIMENSIONS
from analysis.geometry.measures.even import EVEN
from analysis.geometry.measures.kept import KEPT
from analysis.geometry.measures.position import POSITION
from analysis.geometry.measures.robust import ROBUST
from analysis.geometry.measures.straight import STRAIGHT

QUESTIONS = {
    "kept": "How much is kept?",
    "robust": "How robust?",
    "straight": "How straight, how linear?",
    "even": "How even?",
    "dimensions": "How many dimensions?",
    "position": "What is position, what is context?",
    "convex": "Do concepts form convex regions?",
    "surprise": "Where does a sentence surprise?",
}
"""What is asked, by id, in the order in which it is offered; `surprise` is asked of two sentences, not of a cloud."""

MEASURES: tuple[Measure, ...] = (
    *KEPT,
    *ROBUST,
    *STRAIGHT,
    *EVEN,
    *DIMENSIONS,
    *POSITION,
    *CONVEX,
)
"""In the order in which they are shown."""


def measure(id: str) -> Measure:
    """The measure of that id.

    Raises:
        KeyError: there is none.
    """
    return {each.id: each for each in MEASURES}[id]
