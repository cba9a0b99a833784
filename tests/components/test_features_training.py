"""The panel that trains a dictionary: what it will take, runs that are gone on with, and their end."""

from dataclasses import replace

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from analysis.dictionaries import shelf
from analysis.dictionaries.training import own_text
from analysis.dictionaries.training.plan import Plan, Step
from analysis.dictionaries.training.run import Order, train, unfinished
from analysis.edits import Site
from analysis.errors import Cancelled
from components.features.getting import code
from components.features.training import choices
from components.figures import training_curves
from components.frame import Frame
from tests.pages.driven import labelled, runs_until, said, settled, view

TEXTS = tuple(f"Text number {number}: " + "the sea is deep and old. " * 6 for number in range(60))
ORDER = Order(Site(2), Plan(24, 3, 20 * 256, batch=256, rate=2e-3), 6_000, "Sea", "the sea", 64)


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    monkeypatch.setenv("BATHYSCOPE_HOME", str(tmp_path))
    monkeypatch.setattr(own_text, "documentation", lambda report: TEXTS)
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


def panel(model) -> AppTest:
    def page():
        import streamlit as st

        from components import session
        from components.features import train_panel
        from components.waiting import begin_run, draw_what_polls

        begin_run()
        session.view()
        train_panel.draw(st.session_state.given)
        draw_what_polls()

    app = AppTest.from_function(page, default_timeout=120)
    app.session_state["given"] = Frame(model, model.tokenize("the sea is deep"), 3, 2)
    return app


SMALL = {"times": 2, "k": 4, "tokens": 20_000, "samples": 100_000, "batch": 4_096}


def small(app: AppTest) -> AppTest:
    """The smallest training that can be chosen, as a link names it."""
    app.query_params["features"] = "&".join(f"also.train.{name}={value}" for name, value in SMALL.items())
    return app


def words(app: AppTest) -> str:
    return said(app).replace("\\", "")


def paused(model) -> None:
    left = iter(range(5))

    def report(message, done=0, total=None):
        if message.startswith("Training") and next(left, None) is None:
            raise Cancelled(message)

    with pytest.raises(Cancelled):
        train(model, ORDER, TEXTS, report)


def test_what_it_will_take_is_said_before_it_starts(toy):
    app = settled(small(panel(toy)))
    assert "to read 20,000 tokens" in words(app) and "on disk" in words(app)
    assert "Exploratory" in words(app)
    assert not unfinished(toy)


def test_a_dictionary_is_trained_judged_and_opened(toy):
    app = settled(small(panel(toy)))
    labelled(app, "Train it").click()
    runs_until(app, lambda each: "is on the shelf" in words(each))
    assert "of the variance of" in words(app) and "random directions" in words(app)
    (offer,) = [each for each in shelf.offered(toy) if each.origin == "kept"]
    labelled(app, "Open it").click()
    settled(app)
    assert view(app).features.dictionary == offer.id and view(app).features.part == "prompt"


def test_an_unfinished_training_is_offered_and_gone_on_with(toy):
    paused(toy)
    app = settled(small(panel(toy)))
    assert "5 of 20 steps done" in words(app)
    labelled(app, "Go on").click()
    runs_until(app, lambda each: "is on the shelf" in words(each))
    assert not unfinished(toy)


def test_an_unfinished_training_is_kept_as_it_is_or_discarded(toy):
    paused(toy)
    app = settled(small(panel(toy)))
    labelled(app, "Keep what is there").click()
    runs_until(app, lambda each: "is on the shelf" in words(each))
    (offer,) = [each for each in shelf.offered(toy) if each.origin == "kept"]
    assert offer.card["training_samples"] == 5 * 256
    shelf.delete(offer.id)
    paused(toy)
    app = settled(small(panel(toy)))
    labelled(app, "Discard").click()
    settled(app)
    assert not unfinished(toy) and "steps done" not in words(app)


def test_why_a_training_stopped_is_said(toy, monkeypatch):
    monkeypatch.setattr(own_text, "documentation", lambda report: TEXTS[:20])
    app = settled(small(panel(toy)))
    labelled(app, "Train it").click()
    runs_until(
        app,
        lambda each: "Go on" in [button.label for button in each.button] or "a batch takes" in words(each),
    )
    assert "Bring more text" in words(app) or "a batch takes" in words(app)


def test_the_link_holds_the_choices_and_nonsense_in_it_is_the_first_choice(toy):
    app = panel(toy)
    app.query_params["features"] = (
        "also.train.kind=topk&also.train.k=4&also.train.layer=99&also.train.rate=nan&also.train.seed=1e3&also.train.times=3"
    )
    settled(app)
    code = app.code[0].value
    assert "width=88, k=4, samples=400000, sparsity='topk'" in code and "Order(Site(2), plan, 100000" in code
    assert "rate=0.001" in code and "seed" not in code.split("plan = ")[1].split("\n")[0]
    (wide,) = [each for each in app.selectbox if each.label.startswith("Features")]
    wide.select(8)
    settled(app)
    assert dict(view(app).features.also)["train.times"] == "8" and "width=176" in app.code[0].value


def test_the_code_trains_the_same_dictionary(toy, monkeypatch):
    paused(toy)
    frame = Frame(toy, toy.tokenize("the sea is deep"), 3, 2)
    monkeypatch.setattr(code, "opening_lines", lambda tokens, revision: ["model = given"])
    text = code.training_lines(frame, replace(ORDER, text=choices.TEXTS["docs"][:80]))
    quiet = text.replace("lambda message, done=0, total=None: print(message)", "given_report")
    assert quiet != text
    seen, found = [], {"given": toy, "given_report": lambda message, done=0, total=None: seen.append(message)}
    monkeypatch.setattr(own_text, "documentation", lambda report=None: TEXTS)
    exec(quiet, found)
    assert found["order"].plan == ORDER.plan and found["trained"].offer.features == 24
    assert not unfinished(toy)  # the paused one was gone on with
    assert [step.number for step in found["trained"].curve] == list(range(1, 21))
    assert not any("step 3 of" in message for message in seen)


def test_every_kind_is_explained(toy):
    assert set(choices.ABOUT) == {"topk", "batchtopk", "matryoshka", "jumprelu", "relu", "gated", "pursuit"}
    assert len(choices.TEXTS) == len(choices.TEXT_SAID)


def test_the_curves_are_drawn_and_told(monkeypatch):
    drawn, captions = [], []
    monkeypatch.setattr(training_curves, "mode", lambda: "light")
    monkeypatch.setattr(training_curves.st, "caption", captions.append)
    monkeypatch.setattr(
        training_curves.st, "plotly_chart", lambda figure, **given: drawn.append((figure, given))
    )
    curve = tuple(Step(n, 1 / n, 5.0, n, 1e-3, 3.0, *((0.4, 0.9) if n == 4 else ())) for n in range(1, 5))
    training_curves.draw_training_curves(curve, ORDER.plan, "curve")
    figure, given = drawn[0]
    assert [len(trace.x) for trace in figure.data] == [4, 4, 4, 1]
    assert list(figure.data[0].y) == pytest.approx([0, 0.5, 2 / 3, 0.75])
    assert list(figure.data[0].x) == [256, 512, 768, 1024]
    assert "After 4 of 20 steps 75%" in given["alt"]
    assert given["key"] == "curve"
    assert (
        "rises by 0.40 nats a token; 90.0% of what zero states cost is recovered (at step 4)" in captions[0]
    )
