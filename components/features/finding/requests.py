"""What the part Find asks of the analysis, as shared jobs keyed by the request's fingerprint."""

import streamlit as st
from threadpoolctl import threadpool_limits

from analysis import LoadedModel, Tokens
from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.telling_apart.apart import Apart, PromptsApart, apart, prompts_apart
from analysis.dictionaries.telling_apart.sides import TwoSides
from analysis.dictionaries.telling_apart.sparse_probe import SparseProbe, sparse_probe
from analysis.fingerprint import fingerprint
from analysis.jobs import Job, Report
from analysis.labelled import LabelledSet
from components.requests import held


def asked(key: str) -> bool:
    """True if this session has asked for that already: what was asked for once is there again without a button."""
    return key in _asked()


def ask(key: str) -> None:
    """Ask for it."""
    _asked().add(key)


def _asked() -> set[str]:
    return st.session_state.setdefault("features_asked", set())


def apart_key(model: LoadedModel, dictionary: Dictionary, sides: TwoSides, pool: str) -> str:
    """One name for a comparison of two kinds of texts."""
    own = sides.names, sides.corpus.fingerprint, sides.first, sides.groups
    return fingerprint("features apart", model.fingerprint, dictionary.fingerprint, own, pool)


def apart_of(model: LoadedModel, dictionary: Dictionary, sides: TwoSides, pool: str) -> Job[Apart]:
    """The features that tell two kinds of texts apart."""

    def work(report: Report) -> Apart:
        with threadpool_limits(1, user_api="blas"):
            return apart(model, dictionary, sides, pool, report=report)

    return held(apart_key(model, dictionary, sides, pool), "Comparing two kinds of texts", work)


def prompts_of(
    model: LoadedModel, dictionary: Dictionary, first: Tokens, second: Tokens, pool: str
) -> Job[PromptsApart]:
    """How the features of two prompts differ."""
    key = fingerprint("prompts apart", model.fingerprint, dictionary.fingerprint, first.ids, second.ids, pool)
    return held(
        key,
        "Comparing two prompts",
        lambda report: prompts_apart(model, dictionary, first, second, pool, report),
    )


def few_key(model: LoadedModel, dictionary: Dictionary, given: LabelledSet, pool: str) -> str:
    """One name for a sparse probe."""
    examples = given.texts, given.targets, given.groups, given.spans, given.classes
    return fingerprint("few features", model.fingerprint, dictionary.fingerprint, examples, pool)


def few_of(model: LoadedModel, dictionary: Dictionary, given: LabelledSet, pool: str) -> Job[SparseProbe]:
    """How few features tell classes apart."""

    def work(report: Report) -> SparseProbe:
        with threadpool_limits(1, user_api="blas"):
            return sparse_probe(model, dictionary, given, pool, report=report)

    return held(few_key(model, dictionary, given, pool), "Probing with few features", work)
