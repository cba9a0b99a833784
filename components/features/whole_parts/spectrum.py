"""The spectrum of directions, layer by layer, beside Gaussian rows."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from analysis.dictionaries.shelf import Offer, offered
from analysis.dictionaries.whole import spectrum as measuring
from analysis.dictionaries.whole.spectrum import DecoderSpectrum
from components.features.whole_parts.requests import spectra_job
from components.features.whole_parts.seen import Seen, ending
from components.figures.whole_charts import add_random, add_spectrum, show
from components.waiting import result_of

MOST = 6
"""Dictionaries that are compared."""


def draw(seen: Seen) -> None:
    """This question."""
    offers = _compared(seen)
    found = result_of(spectra_job(seen.model, offers), "whole spectra", height=360)
    if found is None:
        return
    seen.answer(_answer(seen, offers, found))
    _draw_curves(seen, offers, found)
    table = _table(offers, found)
    st.dataframe(
        table,
        hide_index=True,
        width="stretch",
        column_config={
            name: st.column_config.NumberColumn(format=form)
            for name, form in (
                ("effective dimensions", "%.0f"),
                ("random rows", "%.0f"),
                ("slope", "%.2f"),
                ("slope of random rows", "%.2f"),
                ("mean squared cosine", "%.5f"),
                ("of random rows", "%.5f"),
            )
        },
    )
    st.download_button(
        "CSV", lambda: table.to_csv(index=False), "bathyscope-spectra.csv", "text/csv", on_click="ignore"
    )
    first, last = found[seen.offer.id].fit.first, found[seen.offer.id].fit.last
    ending(
        seen,
        "Each line is the share of variance of a dictionary's directions along their principal axes, largest first, on "
        "logarithmic axes; a steep line means that a few axes hold most. The grey band is Gaussian rows of the same "
        f"shape. The slope is that of a power law through ranks {first} to {last}; effective dimensions are the "
        "participation ratio. Neurons count by what they write into the residual stream.",
        measuring.MISLEADS,
        measuring.SOURCE,
        [
            "from analysis.dictionaries.whole.spectrum import decoder_spectrum",
            "from analysis.dictionaries.written import written",
            "found = decoder_spectrum(written(model, dictionary), 0)",
            "print(found.effective_rank, found.random_ranks, found.fit)",
        ],
        draws=measuring.NULLS,
        seed=0,
    )


def _compared(seen: Seen) -> tuple[Offer, ...]:
    """This dictionary and the other sparse ones of the residual stream, by layer."""
    others = [
        each
        for each in offered(seen.model)
        if each.origin != "neurons"
        and each.id != seen.offer.id
        and each.site.stream == seen.offer.site.stream
    ]
    return tuple(sorted([seen.offer, *others[: MOST - 1]], key=lambda each: (each.site.layer, each.id)))


def _draw_curves(seen: Seen, offers: tuple[Offer, ...], found: dict[str, DecoderSpectrum]) -> None:
    own = found[seen.offer.id]
    figure = go.Figure()
    alive = own.random.min(0) > 0
    add_random(figure, "Gaussian rows", 1 + np.flatnonzero(alive), own.random[:, alive])
    for number, offer in enumerate(offers):
        values = found[offer.id].eigenvalues
        add_spectrum(figure, offer.name, values[values > 0], number)
    ranks, shares = (
        (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
        (1e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.1),
    )
    figure.update_xaxes(type="log", title_text="rank of the principal axis", tickvals=ranks)
    figure.update_yaxes(
        type="log",
        title_text="share of variance",
        tickvals=shares,
        ticktext=[f"{each:.4g}" for each in shares],
    )
    show(
        figure,
        "whole_spectrum",
        f"Spectra of {len(offers)} dictionaries; {seen.offer.name} has slope {own.fit.slope:.2f}.",
        400,
    )


def _table(offers: tuple[Offer, ...], found: dict[str, DecoderSpectrum]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "dictionary": offer.name,
                "layer": offer.site.layer,
                "effective dimensions": own.effective_rank,
                "random rows": float(np.mean(own.random_ranks)),
                "slope": own.fit.slope,
                "slope of random rows": float(np.mean(own.random_slopes)),
                "mean squared cosine": own.overlaps.mean_square,
                "of random rows": own.overlaps.by_chance,
            }
            for offer in offers
            for own in (found[offer.id],)
        ]
    )


def _answer(seen: Seen, offers: tuple[Offer, ...], found: dict[str, DecoderSpectrum]) -> str:
    own = found[seen.offer.id]
    steepest = max(offers, key=lambda each: found[each.id].fit.slope)
    which = "that of this one" if steepest.id == seen.offer.id else f"that of {steepest.name}"
    among = f" Of {len(offers)} dictionaries the steepest is {which}." if len(offers) > 1 else ""
    return (
        f"{own.rows:,} directions at layer {seen.dictionary.site.layer} fill as many as {own.effective_rank:.0f} "
        f"evenly used dimensions; as many random rows fill {np.mean(own.random_ranks):.0f}. Their spectrum falls with "
        f"slope {own.fit.slope:.2f} (random {np.mean(own.random_slopes):.2f}).{among}"
    )
