"""Trainings that run, have paused or have ended: their curves, and what can be done with them."""

from dataclasses import asdict

import pandas as pd
import streamlit as st

from analysis import LoadedModel
from analysis.dictionaries.training.run import Trained, Unfinished, curve_of, discard, finish, unfinished
from analysis.results import Provenance
from components.features.choices import change
from components.features.getting.code import training_lines
from components.features.training.requests import Started, go_on, started
from components.figures.training_curves import draw_training_curves
from components.frame import Frame
from components.literal import plain
from components.origin import draw_origin
from components.waiting import draw_last, problem, rerun_once

POLL = 1.5
SOURCE = (
    "Gao et al. 2024, arXiv 2406.04093; Bussmann et al. 2024, arXiv 2412.06410; and those of the chosen kind"
)
MISLEADS = (
    "Curves are of batches the dictionary learns from; only the figures at the end are of held-out text. Under 5 "
    "million tokens a dictionary partly fits the text it saw."
)


def draw_under_way(frame: Frame) -> None:
    """Every training of this model, the running ones first."""
    model = frame.model
    own = {
        key: each
        for key, each in started().items()
        if each.model == model.fingerprint and each.job is not None
    }
    running = {key: each for key, each in own.items() if not each.job.wait(0)}
    for key, each in running.items():
        with st.container(border=True):
            st.markdown(f"**{plain(each.order.title)}**")
            draw_last(lambda key=key, each=each: _draw_live(key, each))
    for key, each in own.items():
        if key not in running and each.job.state == "done":
            _draw_finished(frame, key, each)
    busy = {each.run for each in running.values()}
    paused = [left for left in unfinished(model) if left.key not in busy]
    for key, each in own.items():
        if each.job.state == "failed" and each.run not in {left.key for left in paused}:
            _draw_failed(key, each)
    for left in paused:
        _draw_paused(model, left, _sentence(own, left.key))


@st.fragment(run_every=POLL)
def _draw_live(key: str, own: Started) -> None:
    if own.job.wait(0):
        rerun_once(own.job)
        return
    progress = own.job.progress
    bar, pause, end = st.columns([5, 1, 1.4], vertical_alignment="center")
    stopping = own.job.state == "cancelled"
    bar.progress(progress.fraction or 0.0, text="Pausing" if stopping else plain(progress.message))
    pause.button(
        "Pause",
        icon=":material/pause:",
        key=f"pause {key}",
        on_click=own.job.cancel,
        disabled=stopping,
        width="stretch",
    )
    curve = curve_of(own.run) if own.run else ()
    end.button(
        "Keep what is there",
        key=f"finish {key}",
        on_click=finish,
        args=(own.run,),
        disabled=stopping or not curve,
        help="Ends the training here, measures the dictionary and puts it on the shelf.",
        width="stretch",
    )
    if curve:
        draw_training_curves(curve, own.order.plan, f"live {key}")
    st.caption("It goes on when this page is left. Paused or killed, it can be gone on with where it was.")


def _draw_failed(key: str, own: Started) -> None:
    """A training that ended before anything was learnt."""
    with st.container(border=True):
        words, away = st.columns([6, 1], vertical_alignment="center")
        words.warning(plain(problem(own.job)), icon=":material/warning:")
        away.button("Hide", key=f"hide {key}", on_click=started().pop, args=(key, None))


def _sentence(own: dict[str, Started], key: str) -> str | None:
    """Why it stopped, if it did by itself."""
    job = next((each.job for each in own.values() if each.run == key), None)
    return problem(job) if job is not None and job.state == "failed" else None


def _draw_paused(model: LoadedModel, left: Unfinished, why: str | None) -> None:
    with st.container(border=True):
        words, on, keep, away = st.columns([4, 1, 1.5, 1], vertical_alignment="center")
        words.markdown(f"**{plain(left.order.title)}**  \n{_how_far(left)}")
        on.button(
            "Go on", icon=":material/play_arrow:", key=f"on {left.key}", on_click=go_on, args=(model, left)
        )
        keep.button(
            "Keep what is there",
            key=f"keep {left.key}",
            on_click=_end_here,
            args=(model, left),
            disabled=not left.done,
        )
        away.button(
            "Discard", icon=":material/delete:", key=f"away {left.key}", on_click=discard, args=(left.key,)
        )
        if why:
            st.warning(plain(why), icon=":material/warning:")
        if left.curve:
            with st.expander("Its curves so far"):
                draw_training_curves(left.curve, left.order.plan, f"paused {left.key}")


def _how_far(left: Unfinished) -> str:
    done, steps = left.done, left.order.plan.steps
    if done >= steps:
        return f"All {steps:,} steps done, not yet measured and kept."
    return f"{done:,} of {steps:,} steps done, not finished."


def _end_here(model: LoadedModel, left: Unfinished) -> None:
    finish(left.key)
    go_on(model, left)


def _draw_finished(frame: Frame, key: str, own: Started) -> None:
    found: Trained = own.job.result()
    with st.container(border=True):
        words, button, table, away = st.columns([4, 1, 1.3, 1], vertical_alignment="center")
        words.markdown(f"**{plain(found.offer.name)}** is on the shelf.")
        button.button("Open it", type="primary", key=f"open {key}", on_click=_open, args=(found.offer.id,))
        table.download_button("Curve (CSV)", _csv(found), "training.csv", "text/csv", key=f"csv {key}")
        away.button("Hide", key=f"hide {key}", on_click=started().pop, args=(key, None))
        for line in found.quality.lines():
            st.markdown(plain(line))
        if found.curve:
            draw_training_curves(found.curve, own.order.plan, f"finished {key}")
        draw_origin(_provenance(frame.model, own, found))
        with st.expander("The code that trained it", icon=":material/code:"):
            st.code(training_lines(frame, own.order), language="python")


def _csv(found: Trained) -> bytes:
    """The curve, a row for each step."""
    return pd.DataFrame(map(asdict, found.curve)).to_csv(index=False).encode()


def _open(id: str) -> None:
    change(dictionary=id, feature=None, changes=(), part="prompt")


def _provenance(model: LoadedModel, own: Started, found: Trained) -> Provenance:
    plan = own.order.plan
    settings = (
        ("site", str(own.order.site)),
        ("features", f"{plan.width:,}"),
        ("k", str(plan.k)),
        ("text", own.order.text),
        ("tokens that count", f"{found.tokens:,}, a twentieth of the texts held out"),
        ("tokens left out", f"{found.offer.card.get('left_out', 0):,} first ones and outliers of norm"),
        ("batch and learning rate", f"{plan.batch:,}, {plan.rate:g}"),
        ("seed", str(plan.seed)),
    )
    return Provenance(model.title, model.revision, model.dtype_name, "training", SOURCE, MISLEADS, settings)
