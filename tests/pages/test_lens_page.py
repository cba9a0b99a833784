"""The lens page from `app.py` on a toy model: it opens, does its job, refuses well, and reopens from a link."""

import dataclasses
import io
import json
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from analysis import LogitLens, ModelSpec, load, read
from analysis.data.examples import EXAMPLES
from analysis.methods.lens import QUANTITIES
from components import session, take_away
from components.reading_grid import grid_of
from tests.pages.driven import LONG, ROOT, addressed, labelled, once, said, settled, view

TOY = "toy:random"
LINK = {"model": TOY, "prompt": "the sea is deep", "lens": "logit", "color": "entropy"}

HOSTILE = {
    "html": "<script>window.__pwned = 1</script><img src=x onerror=alert(1)>",
    "markdown": "# **bold** [link](javascript:alert(1)) `code` $x^2$ :smile: :red[x]",
    "latex": r"$$\frac{a}{b}$$ \textbf{x}",
    "right to left": "שלום \u202eabc\u202c عالم",
    "zero width": "a\u200bb\ufeffc",
    "nul": "a\x00b",
    "special tokens": "<bos><eos> <|im_end|>",
    "emoji": "👩‍👩‍👧‍👦 é e\u0301",
    "one token": "x",
}


def opened(**address: str) -> AppTest:
    return settled(addressed(**{**LINK, **address}))


def test_it_opens_on_a_good_prompt_with_the_whole_frame():
    app = addressed()
    settled(app)
    assert app.text_area(key="prompt_text").value == EXAMPLES[0].prompt
    assert take_away.QUESTION in [each.value for each in app.subheader]
    assert "settles on" in said(app) or "decided only at the last layer" in said(app)
    assert app.session_state["grid"].layers == (0, 1, 2, 3)


def test_every_example_gives_a_grid():
    app, model = opened(), load("toy:random")
    for number, example in enumerate(EXAMPLES):
        app.button(key=f"example {number}").click()
        settled(app)
        assert view(app).prompt == example.prompt
        assert len(app.session_state["grid"].tokens) == len(model.tokenize(example.prompt))


def test_every_colour_shows_its_quantity():
    app, model = opened(), load("toy:random")
    reading = read(model, model.run(LINK["prompt"]))
    for color in QUANTITIES:
        app.selectbox(key="color_choice").set_value(color)
        settled(app)
        assert view(app).color == color
        assert np.allclose(app.session_state["grid"].value, reading.quantity(color).values, atol=1e-5), color


def test_the_shortcut_is_fitted_in_the_background_and_replaces_the_logit_lens():
    app = opened(lens="shortcut")
    assert app.session_state["grid_reading"].provenance.method == "linear shortcut"


def test_a_link_reopens_the_same_view():
    app = opened(token="3", layer="2", target="70", pinned="65.66", more="65.66.67")
    asked = view(app)
    assert (asked.position, asked.layer, asked.target) == (3, 2, 70)
    assert asked.pinned == (65, 66) and asked.generated == (65, 66, 67)
    assert session.from_address(session.to_address(asked), session.View()) == asked
    assert app.slider(key="layer_slider").value == 2
    assert sum(token.generated for token in app.session_state["grid"].tokens) == 3


@pytest.mark.parametrize(
    "forged",
    [
        {"token": "99999", "layer": "99999"},
        {"token": "-1", "layer": "x"},
        {"token": "1e3", "target": "NaN", "pinned": "1..2", "more": "a.b"},
        {"target": "999999", "pinned": "999999", "more": "999999"},
        {"lens": "evil", "color": "<script>", "dtype": "float16", "chat": "yes"},
        {"token": "9" * 400, "revision": "x" * 5000},
    ],
)
def test_forged_addresses_are_dropped(forged):
    app = opened(**forged) if "revision" not in forged else opened(token=forged["token"])
    assert app.session_state["grid"].tokens
    assert app.session_state["frame"].position < len(app.session_state["grid"].tokens)


@pytest.mark.parametrize("prompt", HOSTILE.values(), ids=HOSTILE)
def test_hostile_prompts_get_a_correct_grid(prompt):
    app = opened(prompt=prompt)
    model = load("toy:random")
    tokens = model.tokenize(prompt)
    assert b"".join(tokens.pieces).decode() == prompt
    assert [token.label for token in app.session_state["grid"].tokens] == list(tokens.labels)


@pytest.mark.parametrize(
    ("prompt", "sentence"), [("", "The prompt is empty"), ("ab " * 2000, "reads at most 1,024")]
)
def test_prompts_that_cannot_run_get_one_sentence(prompt, sentence):
    app = opened()
    app.text_area(key="prompt_text").set_value(prompt)
    settled(app)
    assert len(app.warning) == 1
    assert sentence in app.warning[0].value.replace("\\", "")
    app.text_area(key="prompt_text").set_value("back again")
    assert "grid" in settled(app).session_state and not app.warning


def test_a_chosen_cell_moves_the_view_and_a_stale_or_forged_one_does_not():
    app = opened()
    grid = app.session_state["grid"]
    event = {"fingerprint": grid.fingerprint, "position": 2, "layer": 1, "number": 1}
    for forged in (
        event | {"fingerprint": "old"},
        event | {"layer": 77},
        event | {"position": "2"},
        "x",
        None,
    ):
        app.session_state["lens_grid"] = {"cursor": forged}
        settled(app)
        assert view(app).position is None


def test_greedy_continuation_equals_the_engine_and_joins_the_grid():
    app = opened()
    labelled(app, "Continue").click()
    settled(app)
    model = load("toy:random")
    want = [step.ids[0] for step in model.generate(LINK["prompt"], max_new_tokens=24)]
    assert list(view(app).generated) == want
    assert sum(token.generated for token in app.session_state["grid"].tokens) == len(want)
    labelled(app, "Back").click()
    assert settled(app) and view(app).generated == ()


def test_a_stopped_continuation_keeps_what_came(monkeypatch):
    app = opened()
    model = app.session_state["model"]
    some, stopped = threading.Event(), threading.Event()

    def held(*text, generate=model.generate, **settings):
        for number, step in enumerate(generate(*text, **settings)):
            if number == 5:
                some.set()
                assert stopped.wait(LONG)
            yield step

    monkeypatch.setattr(model, "generate", held)
    app.session_state["continue_count"] = 512
    labelled(app, "Continue").click()
    once(app)
    running = app.session_state["continuation"]
    assert some.wait(LONG)
    running.job.cancel()
    stopped.set()
    assert running.job.wait(LONG)
    settled(app)
    assert view(app).generated == tuple(running.ids)
    assert len(running.ids) == 6


def test_a_chosen_target_is_followed():
    app = opened(color="rank")
    app.selectbox(key="target_choice").select_index(2)
    settled(app)
    assert view(app).target is not None
    assert (app.session_state["grid_reading"].targets == view(app).target).all()


def test_a_model_that_cannot_be_opened_leaves_the_open_one():
    app = opened()
    app.session_state["view"] = dataclasses.replace(view(app), spec=ModelSpec("/no/such/folder"))
    settled(app)
    settled(app)
    assert "There is no folder" in app.error[0].value.replace("\\", "")
    assert view(app).spec.source == "toy:random"
    assert app.session_state["grid"].tokens


def test_a_first_model_that_cannot_be_opened_says_how_to_go_on():
    app = opened(model="/no/such/folder")
    assert "There is no folder" in app.error[0].value.replace("\\", "")
    assert labelled(app, "Open the packaged model")


def test_switching_models_drops_what_belongs_to_the_old_one():
    app = opened(token="3", target="70", more="65.66")
    app.selectbox(key="picker_source").set_value("toy:planted")
    app.run()
    labelled(app, "Open").click()
    settled(app)
    assert app.session_state["model"].title == "toy: planted direction"
    assert view(app).target is None and view(app).generated == ()


def test_the_chat_switch_is_off_where_the_model_has_no_template():
    assert opened(chat="1").toggle(key="chat_switch").disabled


# Taking away


def test_the_table_holds_the_readings_numbers_and_their_provenance():
    model = load("toy:random")
    reading = read(model, model.run("the sea"))
    table = take_away.table(model, reading)
    cell = table[(table.layer == 2) & (table.position == 1)].iloc[0]
    assert cell.entropy_bits == reading.entropy[2, 1]
    assert cell.target_rank == reading.target_rank[2, 1]
    assert cell.top_probability == np.exp(reading.top_log_probability[2, 1, 0])
    assert (table.model == "toy: random weights").all() and table.source.str.contains("2020").all()
    again = pd.read_parquet(io.BytesIO(take_away.parquet(model, reading)))
    assert again.equals(table)


def test_the_code_taken_away_prints_the_same_numbers():
    app = opened(color="entropy", target="70", more="65.66")
    app.segmented_control(key="details").set_value("Take it away")
    settled(app)
    code = next(each.value for each in app.code if "from analysis import" in each.value)
    want = app.session_state["grid_reading"].quantity("entropy").values
    script = code.replace("print(reading", "import json; print(json.dumps((reading").replace(
        ".values)  #", ".values).tolist()))  #"
    )
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert np.allclose(json.loads(ran.stdout.splitlines()[-1]), want, atol=1e-6)


def test_the_grid_names_the_tokens_of_the_reading():
    model = load("toy:random")
    reading = read(model, model.run("the sea"), LogitLens())
    grid = grid_of(model, reading, "probability", "logit")
    assert grid.word(3, 1) == model.tokenizer.label(reading.top_ids[3, 1, 0])
    assert np.allclose(grid.probability[3, 1], np.exp(reading.top_log_probability[3, 1, :5]))


def test_the_box_names_its_prompt_at_every_run():
    """A slow browser draws two runs as one: what only the first of them says is lost, and the prompt with it."""
    app = settled(addressed(model=TOY, prompt="the sea", lens="logit"))
    for _ in range(2):
        assert app.text_area(key="prompt_text").proto.default == "the sea"
        once(app)
    app.text_area(key="prompt_text").set_value("the sky")
    settled(app)
    assert view(app).prompt == app.text_area(key="prompt_text").proto.default == "the sky"
