"""Dose and response: what every strength does to the concept and to the text."""

import pandas as pd
import streamlit as st

from analysis import AnalysisError, Recipe, Sampling, Tokens
from analysis.background import Background
from analysis.data.presets import Concept
from analysis.fingerprint import fingerprint
from analysis.jobs import Job, Report
from analysis.methods import dose
from analysis.methods.dose import DoseResponse
from analysis.next_token import word_ids
from analysis.results import AgainstNull
from components import session
from components.figures.dose import draw_measure
from components.frame import Frame
from components.literal import plain
from components.origin import draw_origin
from components.requests import held
from components.steering.recipe_editor import change_dose
from components.steering.requests import Controls, preset_at_hand, recipe_key
from components.waiting import result_of

NULLS = 4
"""Random directions followed over all strengths; each is as many texts as the recipe itself."""


def draw(frame: Frame, recipe: Recipe, usual: Background, controls: Controls) -> None:
    """The part of the page: settings, then the curves once they are asked for."""
    preset = preset_at_hand()
    with st.form("dose_form", border=False):
        settings = _draw_settings(frame, preset)
        run = st.form_submit_button("Run the strengths", type="primary", icon=":material/science:")
    run = run or st.session_state.get("again dose", False)  # asked anew after a bad end
    try:
        job = _asked(frame, recipe, usual, controls, settings) if run else st.session_state.get("dose_job")
    except AnalysisError as error:
        st.warning(plain(str(error)), icon=":material/edit:")
        return
    if job is None:
        st.caption(
            "Continues a few prompts at every strength, beside random directions and beside simply asking for it. "
            "Half a minute on two cores; cancel any time."
        )
        return
    st.session_state.dose_job = job
    found = result_of(job, "dose", height=500, again_label="Run again")
    if found is not None:
        _draw_curves(found)


def _draw_settings(frame: Frame, preset: Concept | None) -> dict:
    """Prompts, words and the sentence that asks."""
    view = session.view()
    prompts = [view.prompt, *(preset.prompts[:2] if preset else ())]
    left, right = st.columns([1.4, 1])
    key = preset.id if preset else "own"
    lines = left.text_area(
        "Prompts, one a line",
        "\n".join(dict.fromkeys(" ".join(p.split()) for p in prompts)),
        key=f"dose prompts {key} {view.prompt}",
        height=148,
    )
    ask = right.text_input(
        "Simply asking: put in front of every prompt",
        preset.ask if preset else "",
        key=f"dose ask {key}",
        help="The baseline that steering has to beat. Empty leaves it out.",
    )
    count = right.slider("New tokens", 8, 64, 20, key="dose count")
    plus, minus = map(", ".join, preset.words if preset else ((), ()))
    left, right = st.columns(2)
    plus = left.text_input("Words it should make likelier", plus, key=f"dose plus {key}")
    minus = right.text_input("than these", minus, key=f"dose minus {key}")
    return {
        "prompts": tuple(line.strip() for line in lines.splitlines() if line.strip()),
        "ask": ask,
        "count": count,
        "plus": word_ids(frame.model, plus.split(","), chat=view.chat),
        "minus": word_ids(frame.model, minus.split(","), chat=view.chat),
    }


def _asked(
    frame: Frame, recipe: Recipe, usual: Background, controls: Controls, settings: dict
) -> Job[DoseResponse]:
    model, chat = frame.model, session.view().chat and frame.model.tokenizer.has_template
    prompts = tuple(model.tokenize(text, chat=chat) for text in settings["prompts"])
    asking = settings["ask"].strip()
    asked: tuple[Tokens, ...] = ()
    if asking:
        asked = tuple(model.tokenize(f"{asking} {text}", chat=chat) for text in settings["prompts"])
    key = fingerprint(
        "dose",
        model.fingerprint,
        recipe_key(recipe),
        [tokens.ids for tokens in (*prompts, *asked)],
        settings["count"],
        (settings["plus"], settings["minus"]),
        (controls.kind, controls.seed),
    )

    def work(report: Report) -> DoseResponse:
        return dose.dose_response(
            model,
            prompts,
            recipe,
            usual,
            nulls=NULLS,
            kind=controls.kind,
            seed=controls.seed,
            new_tokens=settings["count"],
            plus=settings["plus"] if settings["minus"] else (),
            minus=settings["minus"] if settings["plus"] else (),
            asked=asked,
            sampling=Sampling(),
            report=report,
        )

    return held(key, "Running the strengths", work)


def _draw_curves(found: DoseResponse) -> None:
    st.markdown(plain(found.summary))
    asked = found.asked
    curves = [
        (found.score, asked and asked.score, False),
        (found.odds, asked and asked.odds, False),
        (found.perplexity, asked and asked.perplexity, True),
        (found.repetition, asked and asked.repetition, False),
    ]
    columns = st.columns(2, gap="medium")
    drawn = [curve for curve in curves if curve[0] is not None]
    for number, (result, baseline, log) in enumerate(drawn):
        with columns[number % 2]:
            draw_measure(found, result, f"dose {number}", asked=baseline, log=log)
    _draw_laws(found)
    _draw_texts(found)


def _draw_laws(found: DoseResponse) -> None:
    """The linear gain and quadratic cost, and the concept-guidance score."""
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**Small strengths: linear gain, quadratic cost**")
        if found.gain is None:
            st.caption(plain(found.gain_missing))
        else:
            gain = found.gain
            odds = (
                ""
                if gain.odds_slope is None
                else (
                    f"The log-odds grow with slope {gain.odds_slope:.2f} (1 expected), {gain.per_strength:+.1f} nats "
                    "per unit. "
                )
            )
            fit = "fits" if gain.fits else "does not fit"
            st.markdown(
                f"KL grows with slope {gain.kl_slope:.2f} on log axes (2 expected), {gain.cost:.1f} bits per unit "
                f"squared. {odds}The law of Wolf et al. (arXiv 2401.16332) **{fit}** here."
            )
    with right:
        st.markdown("**Concept-guidance score**")
        if found.guidance is None:
            st.caption(plain(found.guidance_missing))
        else:
            st.markdown(
                f"PNES **{found.guidance.score:.2f}** (fit r² {found.guidance.r2:.2f}): elicitation against fluency, "
                "von Rütte et al. (arXiv 2402.14433)."
            )


def _draw_texts(found: DoseResponse) -> None:
    """What was written at every strength, for the first prompt; a strength can be put to use."""
    st.markdown("**What was written**, first prompt")
    table = _written(found)
    st.dataframe(
        table,
        hide_index=True,
        width="stretch",
        height="content",
        column_config={
            "strength": st.column_config.TextColumn(width=70),
            "perplexity": st.column_config.NumberColumn(format="%.1f", width=80),
        },
    )
    usable = [strength for strength in found.strengths if strength]
    best = found.best if found.best is not None else usable[-1]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Use a strength", usable, index=usable.index(best), format_func="{:+.2f}".format, width=160
        )
        st.button("Use it", on_click=change_dose, args=(0,), kwargs={"strength": chosen})
        st.download_button(
            "CSV",
            lambda: _numbers(found).to_csv(index=False),
            "bathyscope-dose.csv",
            "text/csv",
            on_click="ignore",
            help="Every curve with its band, and the first prompt's texts.",
        )
    draw_origin(found.provenance)


def _written(found: DoseResponse) -> pd.DataFrame:
    """The first prompt's texts by strength, and the one that was asked for."""
    start = found.texts[0][0].prompt_length
    rows = [
        (f"{strength:+.2f}", perplexity, _continuation(texts[0], start))
        for strength, perplexity, texts in zip(
            found.strengths, found.perplexity.values, found.texts, strict=True
        )
    ]
    if found.asked is not None:
        tokens = found.asked.texts[0]
        rows.append(("asking", found.asked.perplexity, _continuation(tokens, tokens.prompt_length)))
    return pd.DataFrame(rows, columns=["strength", "perplexity", "text"])


def _numbers(found: DoseResponse) -> pd.DataFrame:
    """One row per strength: every measure, the band of its random directions, and where it all comes from."""
    table = pd.DataFrame({"strength": found.strengths})
    for name in ("score", "odds", "perplexity", "repetition", "kl"):
        curve: AgainstNull | None = getattr(found, name)
        if curve is not None:
            table[name] = curve.values
            table[f"{name}_random_low"], table[f"{name}_random_high"] = curve.band
    table["text"] = _written(found).text[: len(table)]
    for name, value in found.provenance.lines():
        table[name.replace(" ", "_")] = value
    return table


def _continuation(tokens: Tokens, start: int) -> str:
    return b"".join(tokens.pieces[start:]).decode("utf-8", "replace")
