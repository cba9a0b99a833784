"""The few neurons of one layer that tell classes apart: how many are needed, which they are, and what one does."""

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from analysis.methods.probe import Probed
from analysis.probing.sparse import SparseCurve
from components import session
from components.figures.sparse_curve import draw_sparse_curve
from components.frame import Frame
from components.grid_data import GridToken
from components.literal import literal, plain
from components.probing.requests import Promoted, activations_of, sparse_of, written_of
from components.reading_grid import grid_tokens
from components.token_strip import token_strip
from components.waiting import problem, result_of, wait_for


def draw_neurons(frame: Frame, probed: Probed, key: str, layer: int) -> None:
    """The part of the page.

    Args:
        frame: model, text and cursor.
        probed: a probe on neurons.
        key: of the request that made it.
        layer: 1 to L.
    """
    found = result_of(sparse_of(frame.model, probed, key, layer), "few neurons", height=420)
    if found is None:
        return
    k = _draw_k(found)
    st.markdown(plain(_sentence(found, layer, k)))
    draw_sparse_curve(found, k, key="sparse_curve", on_choose=lambda few: _change(few=few))
    _draw_scores(found)
    rank = _chosen(found, k)
    _draw_table(probed, found, layer, k)
    _draw_choice(found, layer, k, rank)
    _draw_activations(frame, found, layer, rank)
    _draw_written(frame, layer, int(found.neurons[rank]))


def name_of(layer: int, neuron: int) -> str:
    """What a neuron is called."""
    return f"L{layer}.N{neuron}"


def _change(**fields: object) -> None:
    session.change(probe=replace(session.view().probe, **fields))


def _draw_k(found: SparseCurve) -> int:
    """How many neurons are used; the chart chooses them, too."""
    state, wanted = st.session_state, session.view().probe.few
    state.probe_few = max(k for k in found.ks if k <= max(wanted, found.ks[0]))
    st.select_slider(
        "Neurons used",
        found.ks,
        key="probe_few",
        on_change=lambda: _change(few=state.probe_few),
        help="The neurons whose class means lie furthest apart, in standard deviations, among the examples learned "
        "from; a regression is fitted on these alone.",
    )
    return state.probe_few


def _sentence(found: SparseCurve, layer: int, k: int) -> str:
    """What few neurons tell, in words."""
    at, most = found.at(k), found.scores[-1]
    one = "" if k == 1 else f" One alone tells {found.scores[0].accuracy:.0%}"
    all_of_them = "" if k == most.k else f"{', and' if one else ''} {most.k} tell {most.accuracy:.0%}"
    null = max(accuracy for accuracy, _ in at.shuffled)
    verdict = "" if at.low > max(null, found.baseline) else " This is not told from chance."
    more = f"{one}{all_of_them}." if one or all_of_them else ""
    return (
        f"At layer {layer}, {k} neuron{'s tell' if k > 1 else ' tells'} {at.accuracy:.0%} of held-out examples "
        f"({at.low:.0%} to {at.high:.0%}), F1 {at.f1:.2f}; with shuffled labels at most {null:.0%}.{verdict}{more}"
    )


def _draw_scores(found: SparseCurve) -> None:
    """The table twin of the chart."""
    with st.expander("The scores as a table"):
        rows = [
            {
                "neurons": each.k,
                "accuracy": each.accuracy,
                "from": each.low,
                "to": each.high,
                "F1": each.f1,
                "random neurons": each.random[0],
                "shuffled labels": float(np.mean([accuracy for accuracy, _ in each.shuffled])),
            }
            for each in found.scores
        ]
        st.dataframe(pd.DataFrame(rows).round(3), hide_index=True, height="content")


def _chosen(found: SparseCurve, k: int) -> int:
    """Rank of the neuron that is looked at: the most telling one, unless another of the k was chosen."""
    ranks = np.flatnonzero(found.neurons[:k] == session.view().probe.neuron)
    return int(ranks[0]) if len(ranks) else 0


def _draw_table(probed: Probed, found: SparseCurve, layer: int, k: int) -> None:
    """The neurons that are used, the most telling first; a cell that is clicked chooses its neuron."""
    names = probed.given.classes
    used, weights = found.neurons[:k], found.at(k).weights * found.spread[:k]
    table = {
        "neuron": [name_of(layer, neuron) for neuron in used],
        "gap": found.gaps[:k],
        "weight": weights[1] - weights[0] if len(names) == 2 else np.ptp(weights, axis=0),
    }
    if len(names) > 2:
        table["speaks for"] = [names[number] for number in weights.argmax(0)]
    table |= {f"mean, {name}": found.means[number, :k] for number, name in enumerate(names)}

    def choose() -> None:
        chosen = st.session_state.probe_neurons.selection
        rows = [*chosen.rows, *(row for row, _ in chosen.cells)]
        if rows:
            _change(neuron=int(used[rows[0]]))

    towards = (
        f"towards {names[1]}" if len(names) == 2 else "between the class it speaks for and the one least"
    )
    st.dataframe(
        pd.DataFrame(table),
        key="probe_neurons",
        on_select=choose,
        selection_mode="single-cell",
        hide_index=True,
        height="content" if k <= 8 else 300,
        column_config={
            "gap": st.column_config.NumberColumn(
                format="%.2f", help="Distance of the class means, in standard deviations within classes."
            ),
            "weight": st.column_config.NumberColumn(
                format="%+.2f", help=f"In the probe, {towards}, for one standard deviation of the activation."
            ),
            **{
                name: st.column_config.NumberColumn(format="%.3f")
                for name in table
                if name.startswith("mean, ")
            },
        },
    )


def _draw_choice(found: SparseCurve, layer: int, k: int, rank: int) -> None:
    """The same choice by keyboard."""
    state = st.session_state
    state.probe_neuron = int(found.neurons[rank])
    st.selectbox(
        "Look at one of them, or click it in the table",
        found.neurons[:k].tolist(),
        format_func=lambda neuron: name_of(layer, neuron),
        key="probe_neuron",
        on_change=lambda: _change(neuron=state.probe_neuron),
    )


def _draw_activations(frame: Frame, found: SparseCurve, layer: int, rank: int) -> None:
    """One neuron over the prompt's tokens."""
    neuron = int(found.neurons[rank])
    values = result_of(activations_of(frame.model, frame.tokens, layer), "neuron's activations")
    if values is None:
        return
    own = values[:, neuron].astype(np.float64)
    counted = np.abs(own[1:]) if len(own) > 1 else np.abs(own)
    reach = max(float(found.largest[rank]), float(counted.max()), 1e-12)
    tokens = _with_values(grid_tokens(frame.tokens), own)
    st.markdown(f"**{name_of(layer, neuron)}** over the prompt's tokens")
    token_strip(
        tokens,
        fingerprint=f"{frame.model.fingerprint}{hash(frame.tokens.ids)}neuron",
        cursor_position=frame.position,
        key="neuron_strip",
        values=[None if at == 0 < len(own) - 1 else abs(value) / reach for at, value in enumerate(own)],
        on_choose=lambda chosen: session.change(position=chosen),
    )
    strongest = np.argsort(-np.abs(own[1:]), kind="stable")[:3] + 1 if len(own) > 1 else [0]
    most = ", ".join(f"{own[at]:+.2f} at {literal(tokens[at].label)}" for at in strongest)
    st.caption(
        f"Activations: {most}; {own[frame.position]:+.2f} at the cursor. Tinted by size, whatever the sign; full "
        f"tint is {reach:.2f}. The first token, an attention sink, is not tinted."
    )


def _with_values(tokens: tuple[GridToken, ...], values: np.ndarray) -> tuple[GridToken, ...]:
    """The tokens with their activation where they are pointed at."""
    return tuple(
        replace(token, detail=f"{token.detail}, activation {value:+.3f}")
        for token, value in zip(tokens, values, strict=True)
    )


def _draw_written(frame: Frame, layer: int, neuron: int) -> None:
    """The tokens one neuron promotes through what it writes."""
    job = written_of(frame.model, layer, neuron)
    if not wait_for(job, key="written"):
        return
    if (sentence := problem(job)) is not None:
        st.caption(plain(sentence))
        return
    raised, lowered = job.result()
    st.markdown(
        f"Where it is positive it raises {_tokens(raised)} and lowers {_tokens(lowered)}; where it is negative, the "
        "other way round."
    )
    st.caption(
        "What the neuron writes, read through the unembedding as if no later block came. Misleads at early layers."
    )


def _tokens(found: Promoted) -> str:
    return " ".join(literal(label) for label, _ in found)
