"""The parts of the map of many texts on a page of their own: what is chosen, read, and asked."""

import time

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from analysis import library
from components import session
from components.corpus_map.choices import layers_of, most_points
from components.corpus_map_link import CorpusMapView
from components.recipe_link import DoseView
from components.texts_brought import of_shipped

TEXTS = "\n".join(f"{word} number {n} by the bank" for n in range(12) for word in ("red", "blue"))


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    monkeypatch.setenv("BATHYSCOPE_HOME", str(tmp_path))
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


def page() -> None:
    """Everything below one another, as the page has it."""
    import streamlit as st

    from analysis import load
    from analysis.models.spec import ModelSpec
    from components import session
    from components.corpus_map.asking import draw_group, draw_search
    from components.corpus_map.choices import draw_choices
    from components.corpus_map.point import draw_point
    from components.corpus_map.reading import draw_reading
    from components.waiting import begin_run, draw_what_polls

    model = st.cache_resource(lambda: load(ModelSpec("toy:random")), show_spinner=False)()
    begin_run()
    session.view()
    chosen = draw_choices(model)
    st.session_state.chosen = chosen
    st.session_state.read = None if chosen is None else draw_reading(model, chosen)
    if (read := st.session_state.read) is not None:
        rows = draw_search(read)
        draw_point(read, 0, chosen.layers[-1])
        if rows:
            draw_group(model, read, rows, chosen.layers[-1], lens="logit")
    draw_what_polls()


def opened(**view: object) -> AppTest:
    app = AppTest.from_function(page, default_timeout=60)
    app.session_state["view"] = session.View(corpus=CorpusMapView(**view))
    return settled(app)


def settled(app: AppTest) -> AppTest:
    for _ in range(100):
        app.run()
        assert not app.exception, app.exception
        if not app.session_state["polling"]:
            return app
        time.sleep(0.1)
    raise AssertionError("The page never came to rest.")


def written(text: str = TEXTS, **view: object) -> AppTest:
    app = opened(**{"data": "written", "spot": "last"} | view)
    app.text_area(key="corpus_draft").set_value(text)
    return settled(app)


def said(app: AppTest) -> str:
    shown = " ".join(
        each.value for each in [*app.markdown, *app.caption, *app.warning, *app.info, *app.success]
    )
    return shown.replace("\\", "")


def read_of(app: AppTest):
    return app.session_state["read"]


def test_the_shipped_senses_are_read_at_their_words():
    app = opened()
    read = read_of(app)
    assert (read.corpus.id, read.spot, len(read)) == ("senses", "span", 156)
    assert read.states.layers == (0, 1, 2, 3)
    assert read.points["kind"].nunique() == 6
    assert "156 points from 156 texts" in said(app)


def test_another_set_is_read_where_its_labels_are():
    app = opened()
    app.selectbox(key="corpus_choice_data").set_value("truth")
    app = settled(app)
    assert app.session_state["view"].corpus.spot == "last"
    assert "span" not in app.selectbox(key="corpus_choice_spot").options
    assert read_of(app).corpus.id == "truth"


def test_typed_texts_are_read_as_tokens_with_their_first_ones():
    app = written(spot="token", stride=2)
    read = read_of(app)
    assert read.states.layers == (0, 2, 3)
    assert (read.points["position"] == 0).sum() == 24
    assert len(read) == len(read.points) == read.states.values.shape[1] > 100
    assert "Every line is a text." in said(app)


def test_every_occurrence_of_a_word_is_a_point_and_an_unknown_one_is_said():
    app = written(spot="word", word="bank, red")
    read = read_of(app)
    assert (read.spot, len(read)) == ("span", 36)
    assert set(read.corpus.columns["word"]) == {"bank", "red"}
    app.text_input(key="corpus_word").set_value("green")
    app = settled(app)
    assert read_of(app) is None
    assert "'green' occurs in none of the 24 texts" in said(app)


def test_too_few_texts_are_said_and_nothing_is_drawn():
    app = written("one text\nand another")
    assert read_of(app) is None
    assert "A map needs 3 points at least" in said(app)


def test_an_empty_field_asks_for_texts():
    app = opened(data="written")
    assert app.session_state["chosen"] is None
    assert "Ctrl+Enter" in said(app)


def test_a_set_that_does_not_exist_gives_way_to_the_first():
    assert read_of(opened(data="nothing", spot="nowhere")).corpus.id == "sentiment"


def test_an_uploaded_file_is_read_and_kept():
    app = opened(data="own", spot="last")
    assert "Up to 100 MB and 200,000 texts" in said(app)
    data = pd.DataFrame({"text": [f"text {n}" for n in range(9)], "size": range(9)}).to_csv(index=False)
    app.file_uploader(key="corpus_upload").set_value(("t.csv", data.encode(), "text/csv"))
    app = settled(app)
    assert len(read_of(app)) == 9
    assert read_of(app).points["size"].tolist() == list(range(9))


def test_a_paused_reading_says_how_far_it_is_and_goes_on(monkeypatch):
    from analysis import captures, places

    monkeypatch.setattr(places, "BATCH_ROWS", 2)
    real = captures._Reading._read
    monkeypatch.setattr(captures._Reading, "_read", lambda *args: (time.sleep(0.3), real(*args))[1])
    app = AppTest.from_function(page, default_timeout=60)
    app.session_state["view"] = session.View(corpus=CorpusMapView(data="truth", spot="last"))
    for _ in range(20):
        app.run()
        if any(each.label == "Pause" for each in app.button):
            break
    next(each for each in app.button if each.label == "Pause").click()
    app = settled(app)
    assert "Paused." in said(app)
    monkeypatch.setattr(captures._Reading, "_read", real)
    next(each for each in app.button if each.label == "Go on").click()
    assert read_of(settled(app)) is not None


def found(app: AppTest, **search: str) -> AppTest:
    for key, value in search.items():
        app.text_input(key=f"corpus_{key}").set_value(value)
    return settled(app)


def question(app: AppTest, name: str) -> AppTest:
    app.segmented_control(key="corpus_question").set_value(name)
    return settled(app)


def test_a_point_shows_its_token_and_its_neighbours():
    app = written()
    assert "Nearest at layer 3, in the full space" in said(app)
    tables = [each.value for each in app.dataframe]
    nearest = next(each for each in tables if "distance" in each)
    assert len(nearest) == 10
    assert nearest["distance"].is_monotonic_increasing
    assert nearest["text"].str.contains("]", regex=False).all()


def test_searched_points_are_compared_with_the_rest():
    app = found(written(), search="RED")
    assert "12 of 24 points fit." in said(app)
    assert "**12 points** of 12 texts, beside 12 others" in said(app)
    app = question(app, "Words")
    words = next(each.value for each in app.dataframe if "z" in each.value)
    assert words["word"][0] == "red"


def test_a_column_s_value_is_a_group_that_is_enriched_in_it():
    app = opened()
    app.selectbox(key="corpus_filter_column").set_value("kind")
    app = settled(app)
    app.selectbox(key="corpus_filter_value").set_value("bank")
    app = settled(app)
    assert "26 of 156 points fit." in said(app)
    app = question(app, "What they share")
    shared = next(each.value for each in app.dataframe if "q" in each.value)
    assert shared["value"][0] == "bank"
    assert shared["share here"][0] == 1
    assert "More frequent here than elsewhere: bank (100% here, 0% elsewhere)" in said(app)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Would say next", "bits in what they would say next at layer 3"),
        ("Neurons", "The best neuron tells the group with AUC"),
        ("Nearest others", "Nearest at layer 3, in the full space"),
        ("Points", "12 points"),
    ],
)
def test_every_question_has_an_answer(name, sentence):
    app = question(found(written(), search="red"), name)
    assert sentence in said(app)


def test_a_direction_is_kept_in_the_library_and_put_into_the_recipe():
    app = question(found(written(), search="red"), "Direction")
    app.text_input(key="corpus_direction_name").set_value("Redness")
    app = settled(app)
    app.button(key="corpus_keep").click()
    app = settled(app)
    assert "Redness is kept in the library" in said(app)
    app.button(key="corpus_steer").click()
    app = settled(app)
    (entry,) = [each for each in library.entries() if each.kind == "direction"]
    assert (entry.name, entry.tags) == ("Redness", ("map",))
    assert app.session_state["view"].recipe == (DoseView(f"kept.{entry.key}"),)
    kept = library.load_direction(entry.key)
    read = read_of(app)
    red = np.array([text.startswith("red") for text in read.corpus.texts])
    states = read.states.at(2)
    assert np.allclose(kept.at(2), states[red].mean(0) - states[~red].mean(0), atol=1e-4)


def test_layers_and_points_that_fit(toy):
    assert layers_of(toy, 1) == (0, 1, 2, 3)
    assert layers_of(toy, 2) == (0, 2, 3)
    assert layers_of(toy, 5) == (0, 3)
    assert most_points(toy, (0,)) == 1_000_000
    assert "kind" in of_shipped("categories").columns
    assert "kind" not in of_shipped("truth").columns
