"""What the model makes of a group: what its mean state would say next, and the neurons that tell it."""

import pandas as pd
import streamlit as st

from analysis.groups.neurons import TellingNeurons, telling_neurons
from analysis.groups.saying import MeanReading, Said, reading_of_mean
from analysis.jobs import Report
from components.corpus_map.groups import Group
from components.literal import plain
from components.requests import lens_now
from components.waiting import result_of


def draw_saying(group: Group) -> None:
    """What the group's mean state would say next."""
    lens, fitting = lens_now(group.model, group.lens)

    def work(report: Report) -> MeanReading:
        states = group.read.states.at(group.layer)
        return reading_of_mean(
            group.model,
            states,
            group.rows,
            group.layer,
            lens,
            among=group.among,
            seed=group.seed,
            report=report,
        )

    job = group.job("saying", "Reading the mean", work, group.layer, lens.id)
    found = result_of(job, "corpus saying")
    if found is None:
        return
    st.markdown(plain(_saying_sentence(found)))
    left, right = st.columns(2)
    for place, title, tokens in (
        (left, "After the group's mean", found.group),
        (right, "After the others' mean", found.rest),
        (left, "The group rather than the others", found.raised),
        (right, "The others rather than the group", found.lowered),
    ):
        with place:
            st.caption(title)
            _draw_said(tokens)
    waiting = " The linear shortcut is still being fitted." if fitting is not None else ""
    st.caption(plain(f"Read through the {found.lens}.{waiting} No state need lie near a mean."))


def draw_neurons(group: Group) -> None:
    """Neurons that tell the group from the rest."""

    def work(report: Report) -> TellingNeurons:
        return telling_neurons(
            group.model,
            group.read.corpus,
            group.read.spot,
            group.rows,
            group.layer,
            among=group.among,
            seed=group.seed,
            report=report,
        )

    job = group.job("neurons", f"Reading neurons of layer {group.layer}", work, group.layer)
    found = result_of(job, "corpus neurons")
    if found is None:
        return
    st.markdown(plain(_neurons_sentence(found)))
    table = pd.DataFrame(
        {
            "neuron": [f"L{found.layer}.N{number}" for number in found.neurons],
            "AUC": found.auc,
            "mean here": found.mean_inside,
            "mean elsewhere": found.mean_outside,
        }
    )
    number = st.column_config.NumberColumn(format="%.3f")
    st.dataframe(
        table,
        hide_index=True,
        height="content",
        column_config=dict.fromkeys(("AUC", "mean here", "mean elsewhere"), number),
    )
    st.caption(
        "AUC: the chance that a point of the group activates the neuron more than another point; 0.5 is no "
        "difference, 0 means silence in the group."
    )


def _saying_sentence(found: MeanReading) -> str:
    most = max(found.shuffled)
    verdict = "more than" if found.kl > most else "no more than"
    return (
        f"The two means differ by {found.kl:.3g} bits in what they would say next at layer {found.layer}, {verdict} "
        f"random groups of this size (at most {most:.3g})."
    )


def _draw_said(tokens: tuple[Said, ...]) -> None:
    table = pd.DataFrame(
        {
            "token": [each.label for each in tokens],
            "p, group": [each.inside for each in tokens],
            "p, others": [each.outside for each in tokens],
        }
    )
    number = st.column_config.NumberColumn(format="%.2g")
    st.dataframe(
        table,
        hide_index=True,
        height="content",
        column_config=dict.fromkeys(("p, group", "p, others"), number),
    )


def _neurons_sentence(found: TellingNeurons) -> str:
    best = abs(found.auc[0] - 0.5)
    verdict = "more than" if best > found.chance else "no more than"
    return (
        f"The best neuron tells the group with AUC {found.auc[0]:.2f}, {verdict} the best of all neurons reaches with "
        f"shuffled membership ({0.5 + found.chance:.2f} or {0.5 - found.chance:.2f} in 95% of shuffles). Read for "
        f"{found.inside} points of the group and {found.outside} others, each of a text of its own."
    )
