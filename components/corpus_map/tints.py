"""Measures of geometry that say something of every token of many texts, as colours of their map."""

from analysis import LoadedModel
from analysis.fingerprint import fingerprint
from analysis.geometry.reading import of_states
from analysis.jobs import Job, Report
from analysis.places import EACH
from components import session, tints
from components.corpus_map.reading import Read
from components.requests import held
from components.tints import Tint


def offered(read: Read) -> dict[str, str]:
    """The colours by id, with their names; none where points are no tokens, or no text's."""
    return tints.offered() if read.spot == EACH and not session.view().corpus.twin else {}


def tint_of(model: LoadedModel, read: Read, color: str) -> Job[Tint]:
    """The measure of a colour, of all tokens that were read.

    Args:
        model: the model.
        read: every token of texts; where some were drawn, steps along a text are those between neighbours that were.
        color: an id of `offered`.
    """
    measure = tints.measure_of(color)

    def work(report: Report) -> Tint:
        cloud = of_states(model, read.corpus, read.states, report=report)
        return tints.tint(model, cloud, measure, cloud.rows, len(read), report)

    key = fingerprint("corpus tint", read.states.key, measure.id)
    return held(key, f"Measuring {tints.lower(measure.title)}", work)
