"""Curves over the layers against the reading they need, and each by itself."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from analysis.errors import AnalysisError
from analysis.geometry.cloud import Cloud
from analysis.geometry.measures import MEASURES, QUESTIONS
from analysis.methods.geometry import measured, of_run, read, shipped_text
from tests.benchmarks.measure import Quantity, ratio, seconds
from tests.benchmarks.models import model, tokens

TEXTS, LENGTH = 200, 64


def curves() -> Iterator[Quantity]:
    """Those taken on the states alone; noisy copies, skipped blocks and controls are readings of their own."""
    with _empty_store():
        found: list[Cloud] = []
        reading = seconds(lambda: found.append(read(model(), shipped_text(), most=TEXTS, length=LENGTH)))
        (cloud,) = found
        took = {each.title: seconds(lambda each=each: _taken(cloud, each)) for each in _able(cloud)}
    what = f"{len(cloud):,} tokens x {len(cloud.layers)} layers"
    yield Quantity(f"all curves of {what}", sum(took.values()) / reading, "x", 5.0, "their reading")
    for title, time in sorted(took.items(), key=lambda pair: -pair[1]):
        yield Quantity(
            f"  {title.lower()}", time, "s", None, "this machine, now; what curves share counts once"
        )


def curves_of_a_prompt() -> Iterator[Quantity]:
    """A question at a time, as the page shows them."""
    text = tokens(64)

    def run() -> object:
        return model().run(text)

    able = _able(of_run(model(), run()))
    for question in dict.fromkeys(each.question for each in able):
        own = [each for each in able if each.question == question]

        def both(own=own) -> None:
            cloud = of_run(model(), run())
            for each in own:
                _taken(cloud, each)

        name = f"{len(own)} curves of 64 tokens: {QUESTIONS[question]}"
        yield Quantity(name, ratio(both, run, rounds=9), "x", 1.3, "the run they need")


def _able(cloud: Cloud) -> list:
    """The measures that this cloud can support."""
    return [each for each in MEASURES if each.reads == "cloud" and not each.needs(cloud, each.params())]


def _taken(cloud: Cloud, measure) -> None:
    try:
        measured(model(), cloud, measure)
    except AnalysisError as error:
        print(f"{measure.id}: {error}")


@contextmanager
def _empty_store() -> Iterator[None]:
    """Nothing is read from disk that an earlier run left there."""
    model()  # from the usual place
    before = os.environ.get("BATHYSCOPE_HOME")
    with tempfile.TemporaryDirectory() as place:
        os.environ["BATHYSCOPE_HOME"] = place
        try:
            yield
        finally:
            if before is None:
                del os.environ["BATHYSCOPE_HOME"]
            else:
                os.environ["BATHYSCOPE_HOME"] = before
