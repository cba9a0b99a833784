"""Reading the texts: once, with progress, to be paused and gone on with; what was read stays on disk."""

from dataclasses import dataclass
from functools import cached_property

import pandas as pd
import streamlit as st

from analysis import AnalysisError, LoadedModel
from analysis.captures import States, capture, each_token
from analysis.corpora import Corpus
from analysis.corpora.columns import as_classes, of_kind
from analysis.jobs import Job, Report
from analysis.places import EACH
from analysis.points import OWN_COLUMNS, kept_points
from components.corpus_map.choices import Chosen
from components.literal import plain
from components.requests import again, held
from components.waiting import result_of, wait_for

FEWEST = 3
"""Points below which there is nothing to lay out."""


@dataclass(frozen=True, eq=False)
class Read:
    """Examples with their states at every layer that was read."""

    corpus: Corpus
    """One example per point, first tokens included."""
    spot: str
    states: States
    points: pd.DataFrame
    """One row per point, see `analysis.points`."""

    def __len__(self) -> int:
        """Points."""
        return len(self.corpus)

    @cached_property
    def given(self) -> pd.DataFrame:
        """What is known of each point: the columns that came with the texts."""
        return self.points.drop(columns=list(OWN_COLUMNS))

    @cached_property
    def classes(self) -> dict[str, pd.Series]:
        """Those of the columns that name classes, with every point's class."""
        return {name: as_classes(self.given[name]) for name in of_kind(self.given, "classes")}


def reading_of(model: LoadedModel, chosen: Chosen) -> Job[Read]:
    """The reading; stopping it keeps what was read, and asking again goes on from there."""

    def work(report: Report) -> Read:
        corpus = chosen.corpus
        if chosen.spot == EACH:
            corpus = each_token(model, corpus, most=chosen.most, first=True, report=report)
        if len(corpus) < FEWEST:
            raise AnalysisError(
                f"A map needs {FEWEST} points at least, and these are {len(corpus)}. Give more texts, or make each "
                "token a point."
            )
        states = capture(model, corpus, chosen.spot, layers=chosen.layers, report=report)
        return Read(corpus, chosen.spot, states, kept_points(states.key))

    return held(chosen.key(model), f"Reading {chosen.corpus.name}", work)


def dealt_of(model: LoadedModel, read: Read, chosen: Chosen, seed: int) -> Job[States]:
    """The states of the same points in texts whose tokens were dealt anew: what a map shows where no text says a
    thing.
    """

    def work(report: Report) -> States:
        return capture(model, read.corpus, read.spot, layers=chosen.layers, deal=seed, report=report)

    return held(f"{chosen.key(model)}dealt{seed}", "Reading texts with their tokens dealt anew", work)


def draw_reading(model: LoadedModel, chosen: Chosen, height: int = 0) -> Read | None:
    """Progress with a button to pause, or what was read.

    Args:
        model: the model.
        chosen: what is read.
        height: of the skeleton that keeps the place of the picture.
    """
    job = reading_of(model, chosen)
    if not wait_for(job, key="corpus_reading", height=height, stop_label="Pause"):
        return None
    if job.state != "cancelled":
        return result_of(job, "corpus_reading", again_label="Go on")
    progress = job.progress
    kept = (
        "" if progress.total is None else f" {progress.done:,.0f} of {progress.total:,.0f} texts were done;"
    )
    st.info(plain(f"Paused.{kept} what was read stays on disk."), icon=":material/pause:")
    st.button("Go on", icon=":material/play_arrow:", key="corpus_go_on", on_click=again, args=(job,))
    return None
