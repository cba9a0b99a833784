"""What goes wrong on a page ends in one sentence and a way on, and leaves the rest as it was."""

import time

from streamlit.testing.v1 import AppTest

from analysis import load
from analysis.methods.lens import read
from components import session
from tests.pages.driven import addressed, labelled, once, runs_until, settled, view

TOY = "toy:random"
LINK = {"model": TOY, "prompt": "the sea is deep", "lens": "logit", "color": "probability"}


def visit(**address) -> AppTest:
    return once(addressed(**{**LINK, **address}))


def endless(*arguments, report, **named):
    """A reading that goes on until it is cancelled."""
    while True:
        report("Reading layers", 1, 4)
        time.sleep(0.02)


def only_job(app: AppTest):
    """The reading under way, once the model is open."""
    (job,) = runs_until(app, lambda app: "held_jobs" in app.session_state).session_state["held_jobs"].values()
    return job


def test_a_cancelled_reading_stays_cancelled_until_it_is_asked_for_again(monkeypatch):
    monkeypatch.setattr("components.requests.read", endless)
    app = visit()
    only_job(app).cancel()
    for _ in range(3):
        once(app)
        assert "was cancelled" in app.warning[0].value
    monkeypatch.setattr("components.requests.read", read)
    labelled(app, "Run again").click()
    settled(app)
    assert not app.warning and app.session_state["grid"].tokens


def test_an_unexpected_failure_is_one_sentence_and_not_a_loop(monkeypatch, caplog):
    calls = []

    def broken(*arguments, **named):
        calls.append(1)
        raise KeyError("secret detail")

    monkeypatch.setattr("components.requests.read", broken)
    app = settled(visit())
    once(app)
    assert "failed unexpectedly (KeyError)" in app.warning[0].value.replace("\\", "")
    assert "secret detail" not in app.warning[0].value
    assert calls == [1] and "secret detail" in caplog.text
    monkeypatch.setattr("components.requests.read", read)
    app.text_area(key="prompt_text").set_value("another text")
    assert settled(app).session_state["grid"].tokens and not app.warning


def test_a_model_whose_loading_breaks_leaves_the_open_one(empty_shelf, monkeypatch):
    app = settled(visit())

    def broken(spec, report):
        raise RuntimeError("out of luck")

    monkeypatch.setattr("components.shelf.load", broken)
    app.selectbox(key="picker_source").set_value("toy:planted")
    once(app)
    labelled(app, "Open").click()
    settled(app)
    assert "failed unexpectedly" in app.error[0].value
    assert view(app).spec.source == "toy:random" and app.session_state["grid"].tokens
    labelled(app, "Dismiss").click()
    assert not settled(app).error


def test_a_cancelled_model_leaves_the_open_one(empty_shelf, monkeypatch):
    app = settled(visit(token="2"))

    def slow(spec, report):
        while True:
            report("Loading", 1, 2)
            time.sleep(0.02)

    monkeypatch.setattr("components.shelf.load", slow)
    app.selectbox(key="picker_source").set_value("toy:planted")
    once(app)
    labelled(app, "Open").click()
    once(app)
    assert app.session_state["model"].title == "toy: random weights"  # still there while the other loads
    app.session_state["loading"].cancel()
    settled(app)
    assert "was cancelled" in app.error[0].value
    assert view(app).spec.source == "toy:random" and view(app).position == 2


def test_the_picture_stays_while_another_target_is_read(monkeypatch):
    app = settled(visit())
    shown = app.session_state["grid_reading"]
    monkeypatch.setattr("components.requests.read", endless)
    followed = app.selectbox(key="target_choice")
    followed.set_value(followed.options[2])
    once(app)
    assert view(app).target is not None
    assert app.session_state["polling"] and app.session_state["grid_reading"] is shown
    assert app.slider(key="layer_slider")
    monkeypatch.setattr("components.requests.read", read)
    app.text_area(key="prompt_text").set_value("another text")  # nothing of the old text stays
    settled(app)
    assert app.session_state["grid_reading"] is not shown


def test_what_does_not_exist_in_this_model_leaves_the_view_and_the_address():
    app = settled(
        visit(target="999999999", pinned="65.65.999999.66", more="65.999999", token="4000", chat="1")
    )
    seen = view(app)
    assert (seen.target, seen.pinned, seen.generated, seen.chat) == (None, (65, 66), (), False)
    assert seen.position == len(app.session_state["grid"].tokens) - 1
    labelled(app, "Continue").click()
    settled(app)
    assert len(view(app).generated) > 0  # what is generated after a forged address joins all the same


def test_more_pins_than_can_be_shown_are_cut():
    app = settled(visit(pinned=".".join(map(str, range(40, 60)))))
    assert view(app).pinned == tuple(range(40, 40 + session.MOST_PINNED))


def test_more_generated_tokens_than_the_context_holds_are_cut():
    prompt = "ab " * 340  # 1,020 of 1,024 tokens
    app = settled(visit(prompt=prompt, more=".".join(["65"] * 200)))
    model = load("toy:random")
    assert len(view(app).generated) == model.context - len(model.tokenize(prompt))


def test_a_text_too_long_for_a_link_is_said_to_be():
    app = settled(visit())
    assert "too long for a link" not in " ".join(each.value for each in app.caption)
    long = session.View(prompt="ж" * 20_000)
    assert not session.fits_link(long.prompt)
    address = session.to_address(long)
    assert "prompt" not in address and "model" in address


def test_a_fit_that_fails_says_so_and_can_be_tried_again(monkeypatch):
    def broken(model, report):
        raise RuntimeError("no")

    monkeypatch.setattr("components.requests.shortcut", broken)
    app = settled(visit(lens="shortcut"))
    assert any("not ready" in each.value for each in app.caption)
    assert app.session_state["grid_reading"].provenance.method == "logit lens"
    labelled(app, "Fit again").click()
    settled(app)
    assert any("not ready" in each.value for each in app.caption)


def test_two_sessions_do_not_share_a_view():
    one, other = settled(visit()), settled(visit(model="toy:planted", prompt="other"))
    one.slider(key="layer_slider").set_value(1)
    settled(one)
    settled(other)
    assert view(one).layer == 1 and view(other).layer is None
    assert one.session_state["model"] is not other.session_state["model"]
    assert settled(visit()).session_state["model"] is one.session_state["model"]  # one copy of the weights
