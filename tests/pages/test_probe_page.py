"""The probe page from `app.py` on a toy: a set is probed, read at a layer, handed on to steering, and refused well."""

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from analysis import library, load
from analysis.captures import capture, each_token
from analysis.data.labelled_sets import labelled_set
from analysis.errors import AnalysisError, Cancelled
from analysis.labelled import LabelledSet
from analysis.methods.probe import probe
from analysis.probing.sparse import sparse_curve
from analysis.probing.splits import parts
from components import session
from components.erase_link import EraseView
from components.probe_link import ProbeView
from components.probing import choices, hierarchy, requests
from components.probing.layer import marked
from tests.pages.driven import labelled, linked, said, settled, view

TOY = "toy:random"
LINK = {"model": TOY, "prompt": "the sea is deep", "lens": "logit"}


def small(id: str = "truth", count: int = 40) -> LabelledSet:
    """The first examples of a shipped set: the toy reads a letter a token."""
    whole = labelled_set(id)
    return LabelledSet(
        whole.id,
        whole.name,
        whole.question,
        whole.texts[:count],
        whole.targets[:count].copy(),
        whole.classes,
        whole.numbers,
        whole.groups[:count],
        whole.spans[:count],
    )


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(requests, "labelled_set", small)
    monkeypatch.setattr(choices, "labelled_sets", lambda: (small(), small("sentiment"), small("years")))


def opened(choice: str = "truth*last*means") -> AppTest:
    return settled(linked("probe", **LINK, probe=choice))


def probed(choice: str = "truth*last*means") -> AppTest:
    app = opened(choice)
    labelled(app, "Probe all layers").click()
    return settled(app)


def test_before_anything_runs_it_says_what_will():
    app = opened()
    assert "Reads every example once" in said(app)
    assert "held-out" not in said(app)


def test_the_sentence_is_that_of_the_analysis():
    app = probed()
    expected = probe(load(TOY), small(), "last", "means").summary()
    assert expected in said(app)


def test_a_layer_shows_its_own_numbers():
    app = probed()
    app.slider(key="layer_slider").set_value(2)
    settled(app)
    assert view(app).layer == 2
    found = probe(load(TOY), small(), "last", "means").at(2)
    shown = next(each.value for each in app.dataframe if "layer 2" in each.value)
    assert shown["value"].tolist()[0] == pytest.approx(found.score)


@pytest.mark.parametrize("choice", ["years*span*ridge", "truth*last*mlp", "truth*mean*sparse"])
def test_every_kind_of_probe_draws(choice):
    assert "At layer" in said(probed(choice))


def test_a_direction_goes_to_the_library_and_into_the_recipe():
    app = probed("truth*mean*means")
    labelled(app, "Steer with it").click()
    settled(app)
    (entry,) = library.entries()
    assert view(app).recipe[0].reference == f"kept.{entry.key}"
    assert "is kept and in the recipe" in " ".join(each.value for each in app.success)


def test_where_all_states_are_one_there_is_no_direction():
    app = probed()  # every statement ends in a full stop, which the embedding alone cannot tell apart
    app.slider(key="layer_slider").set_value(0)
    settled(app)
    assert "It reads nothing here" in said(app)


def test_a_network_has_no_direction_to_hand_on():
    app = probed("truth*last*mlp")
    assert "A network has no direction" in said(app)
    assert all(each.label != "Steer with it" for each in app.button)


def test_numbers_are_not_asked_for_classes():
    app = opened("years*span*logistic")
    assert view(app).probe.probe == "ridge"


def test_a_set_of_labelled_spans_is_read_there():
    app = opened()
    app.selectbox(key="probe data").set_value("years")
    settled(app)
    assert view(app).probe == ProbeView("years", "span", "ridge")


def test_a_table_of_ones_own_has_to_be_brought_first():
    app = opened("own*last*means")
    assert "Nothing leaves this machine" in said(app)
    assert all(each.label != "Probe all layers" for each in app.button)


def test_a_link_of_the_session_holds_the_choices():
    chosen = ProbeView("cities", "span", "ridge")
    there = session.to_address(session.View(probe=chosen))
    assert session.from_address(there, session.View()).probe == chosen


def test_the_word_a_label_is_about_is_marked():
    given = LabelledSet(
        "x",
        "X",
        "?",
        ("this is a rather long way before the word here", "no span", "a b", "c"),
        np.array([0, 1, 0, 1]),
        ("a", "b"),
        spans=((37, 41), None, (0, 1), None),
    )
    assert marked(given, 0) == "…her long way before the [word] here"
    assert marked(given, 1) == "no span"
    assert marked(given, 2) == "[a] b"


def test_random_labels_are_said_not_to_be_there(monkeypatch):
    given = small()
    shuffled = LabelledSet(
        given.id, given.name, given.question, given.texts,
        np.random.default_rng(3).permutation(given.targets), given.classes, groups=tuple(given.texts),
    )  # fmt: skip
    monkeypatch.setattr(requests, "labelled_set", lambda id: shuffled)
    assert "cannot tell it from chance" in said(probed())


# written in the page


LINES = "\n".join(f"{letters} {end} | ends in {end}" for letters in ("ab", "cd", "ef", "gh") for end in "xy")


def writing(text: str) -> AppTest:
    app = opened("written*last*means")
    app.text_area(key="probe_lines").set_value(text)
    return settled(app)


def test_the_example_can_be_probed_as_it_stands():
    app = opened("written*last*means")
    assert all(each.label != "Probe all layers" for each in app.button)
    assert "A link does not carry them" in said(app)
    assert app.text_area(key="probe_lines").placeholder.startswith(
        "I loved every minute of it. | praise\nThe worst"
    )
    labelled(app, "Start from an example").click()
    settled(app)
    assert app.text_area(key="probe_lines").value == choices.EXAMPLE
    labelled(app, "Probe all layers").click()
    assert "At layer" in said(settled(app))


def test_lines_are_probed_and_a_changed_line_asks_anew():
    app = writing(LINES)
    labelled(app, "Probe all layers").click()
    settled(app)
    assert "Only 2 examples are held out: one more or less is 50%" in said(app).replace("\\", "")
    assert "probe" in session.to_address(view(app))
    app.text_area(key="probe_lines").set_value(LINES + "\nij x | ends in x")
    settled(app)
    assert "Reads every example once" in said(app)


def test_lines_outlive_another_set_and_another_page():
    app = writing(LINES)
    app.selectbox(key="probe data").set_value("sentiment")
    settled(app)
    assert "probe_lines" not in [each.key for each in app.text_area]
    app.switch_page("pages/read/lens.py")
    settled(app)
    app.switch_page("pages/concepts/probe.py")
    settled(app)
    app.selectbox(key="probe data").set_value("written")
    settled(app)
    assert app.text_area(key="probe_lines").value == LINES
    assert "8 examples, 8 groups" in app.expander[0].label


BAD = {
    "no label": (["no label here"], "Line 9 needs a text and its label"),
    "a typo": (
        ["x | ends in x", "y | ends inx"],
        "Only line 10 has the label 'ends inx'; perhaps 'ends in x' was meant",
    ),
    "a contradiction": (["ab x | ends in y"], "Line 1 and line 9 have the same text and different labels"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_wrong_line_is_named_and_kept(name):
    lines, sentence = BAD[name]
    app = writing("\n".join([LINES, *lines]))
    assert sentence in app.warning[0].value.replace("\\", "")
    assert all(each.label != "Probe all layers" for each in app.button)
    assert app.text_area(key="probe_lines").value.endswith(lines[-1])


def test_one_class_is_nothing_to_tell_apart():
    app = writing("a | x\nb | x")
    assert "Only one class was given (x)" in app.warning[0].value.replace("\\", "")


def test_numbers_are_read_by_a_probe_for_numbers():
    app = writing("\n".join(f"{'abcdefghij'[n]} {n} | {n}, {n * n}" for n in range(10)))
    assert view(app).probe.probe == "ridge"
    assert "label 1, label 2" in app.expander[0].label


# brought in a table


def uploading(table: pd.DataFrame, name: str = "mine.csv") -> AppTest:
    app = opened("own*last*means")
    app.file_uploader(key="probe_table").set_value((name, table.to_csv(index=False).encode(), "text/csv"))
    return settled(app)


def test_a_table_is_probed_and_stays_in_use():
    texts = [line.split(" | ")[0] for line in LINES.splitlines()]
    app = uploading(pd.DataFrame({"text": texts, "label": list("xy") * 4}))
    labelled(app, "Probe all layers").click()
    assert "At layer" in said(settled(app))
    app.switch_page("pages/read/lens.py")
    settled(app)
    app.switch_page("pages/concepts/probe.py")
    assert "In use: mine.csv, 8 examples" in said(settled(app)).replace("\\", "")


def test_a_table_that_does_not_fit_is_refused_in_words():
    app = uploading(pd.DataFrame({"text": list("abcdefghij"), "label": [*map(str, range(9)), "nine"]}))
    assert "Row 10 has the label 'nine' among numbers" in app.warning[0].value.replace("\\", "")
    assert all(each.label != "Probe all layers" for each in app.button)


def test_a_row_too_long_is_named_before_anything_runs(monkeypatch):
    texts = [f"text {n}" for n in range(40)]
    texts[16] = "ab" * 2_000
    app = uploading(pd.DataFrame({"text": texts, "label": list("xy") * 20}))
    monkeypatch.setattr(type(load(TOY)), "run", lambda *_, **__: pytest.fail("something ran"))
    labelled(app, "Probe all layers").click()
    settled(app)
    assert "Example 17 cannot be read: The text has 4,000 tokens" in app.warning[0].value.replace("\\", "")


def test_texts_that_come_again_are_said_to_stay_together():
    rows = [(f"{'abcd'[n % 4]} {'xy'[n % 2]}", "xy"[n % 2], str(n)) for n in range(12)]
    app = uploading(pd.DataFrame(rows, columns=["text", "label", "group"]))
    assert "8 of the texts have come before" in said(app)
    labelled(app, "Probe all layers").click()
    assert "8 groups share a text with another one and stayed on its side" in said(settled(app)).replace(
        "\\", ""
    )


def test_examples_at_a_first_token_are_left_out_and_it_is_said():
    words = [f"{a}{b}" for a in "abcd" for b in "efgh"]
    rows = [(f"{w} {'xy'[n % 2]}", "xy"[n % 2], w[0] if n < 4 else "xy"[n % 2]) for n, w in enumerate(words)]
    app = uploading(pd.DataFrame(rows, columns=["text", "label", "span"]))
    app.selectbox(key="probe spot").set_value("span")
    settled(app)
    labelled(app, "Probe all layers").click()
    settled(app)
    assert "4 examples at the first token of their text, an attention sink, are left out" in said(app)
    (finished,) = app.session_state["probed_layers"].values()
    assert len(finished.given) == 12


def test_examples_at_a_first_token_are_kept_where_a_class_has_no_others():
    app = writing("\n".join(f"{letter} | {'xy'[n % 2]}" for n, letter in enumerate("abcdefgh")))
    labelled(app, "Probe all layers").click()
    assert "no class could do without them" in said(settled(app))


# every token


def test_every_token_is_an_example():
    app = probed("truth*token*means")
    tokens = each_token(load(TOY), small())
    assert probe(load(TOY), tokens, "token", "means").summary() in said(app)
    assert f"{len(tokens):,} tokens of 40 texts, each an example" in said(app).replace("\\", "")
    app.slider(key="layer_slider").set_value(2)
    settled(app)
    labelled(app, "Steer with it").click()
    settled(app)
    (entry,) = library.entries()
    made = library.load_direction(entry.key)
    assert made.name.startswith("Truth, every token")
    assert "at every token but the first" in made.how


def test_that_some_tokens_were_drawn_is_said(monkeypatch):
    monkeypatch.setattr(requests, "each_token", lambda *a, **k: each_token(*a, most=100, **k))
    assert "100 of its" in said(probed("truth*token*means"))


# few neurons


def test_few_neurons_are_drawn_beside_their_null():
    app = probed("truth*mean*sparse")
    app.slider(key="layer_slider").set_value(2)
    settled(app)
    model, given = load(TOY), small()
    states = capture(model, given, "mean", stream="neurons").at(2)
    divided = parts(given)
    found = sparse_curve(states, given.targets, divided.held_out, groups=divided.groups)
    at = found.at(16)
    told = said(app).replace("\\", "")
    assert f"At layer 2, 16 neurons tell {at.accuracy:.0%} of held-out examples" in told
    assert at.accuracy == probe(model, given, "mean", "sparse").at(2).score  # the same probe, by another way
    table = next(each.value for each in app.dataframe if "neuron" in each.value)
    assert table["neuron"].tolist() == [f"L2.N{n}" for n in found.neurons[:16]]
    assert table["mean, true"].tolist() == pytest.approx(found.means[0, :16].tolist())
    assert f"**L2.N{found.neurons[0]}**" in told
    assert "Where it is positive it raises" in told


def test_a_link_holds_how_many_neurons_and_which():
    app = settled(opened("truth*mean*sparse*asked*k4"))
    neuron = view(app).probe.neuron
    assert neuron is None
    second = app.selectbox(key="probe_neuron").options[1]
    app.selectbox(key="probe_neuron").select(int(second.partition("N")[2]))
    settled(app)
    assert f"**{second}**" in said(app)
    app.select_slider(key="probe_few").set_value(8)
    settled(app)
    chosen = view(app).probe
    assert (chosen.few, chosen.neuron) == (8, int(second.partition("N")[2]))
    again = settled(opened(session.to_address(view(app))["probe"]))
    assert f"**{second}**" in said(again)


def test_a_link_to_more_neurons_than_there_are_shows_as_many_as_there_are():
    app = opened("truth*mean*sparse*asked*k256*n9999999")
    assert app.select_slider(key="probe_few").value == 32  # the toy has 37
    assert "32 neurons tell" in said(app)


# links, stopping, and the other part


def test_a_link_runs_what_was_run_and_another_choice_asks_again():
    app = opened("truth*last*means*asked")
    assert "At layer" in said(app)
    app.selectbox(key="probe probe").set_value("lda")
    settled(app)
    assert "Reads every example once" in said(app)
    assert not view(app).probe.asked
    labelled(app, "Probe all layers").click()
    settled(app)
    assert view(app).probe == ProbeView("truth", "last", "lda", asked=True)


def test_a_stopped_probe_shows_what_it_has_and_goes_on(monkeypatch):
    begun = []

    def stopped(*given, report, done, **settings):
        begun.append(0 if done is None else len(done.layers))

        def until(message, at=0, total=None):
            if message == "Probing layer 2":
                raise Cancelled
            report(message, at, total)

        return probe(*given, report=until, done=done, **settings)

    monkeypatch.setattr(requests, "probe", stopped)
    app = opened()
    labelled(app, "Probe all layers").click()
    settled(app)
    assert "was cancelled" in app.warning[0].value
    assert "So far, after 2 of 4 layers: At layer" in said(app)
    app.slider(key="layer_slider").set_value(3)
    settled(app)
    assert "Layer 3 was not probed; this is layer" in said(app)
    monkeypatch.setattr(
        requests, "probe", lambda *a, **k: begun.append(len(k["done"].layers)) or probe(*a, **k)
    )
    labelled(app, "Go on").click()
    settled(app)
    assert begun == [0, 2]
    assert probe(load(TOY), small(), "last", "means").summary() in said(app)
    assert not app.warning


def test_a_probe_that_fails_says_why_and_can_be_tried_again(monkeypatch):
    def fails(*_, **__):
        raise AnalysisError("The disk is full. Make room.")

    monkeypatch.setattr(requests, "probe", fails)
    app = opened()
    labelled(app, "Probe all layers").click()
    settled(app)
    assert "The disk is full. Make room." in app.warning[0].value.replace("\\", "")
    monkeypatch.setattr(requests, "probe", probe)
    labelled(app, "Go on").click()
    assert "At layer" in said(settled(app))


def test_the_other_part_is_drawn_and_linked(monkeypatch):
    drawn = []
    monkeypatch.setattr(hierarchy, "draw", drawn.append)
    app = opened("truth*last*means")
    assert not drawn
    app.segmented_control(key="probe_part").set_value("hierarchy")
    settled(app)
    assert drawn and view(app).probe.part == "hierarchy"
    assert "linearly there" not in said(app)
    assert session.to_address(view(app))["probe"].endswith("*hierarchy")


def test_a_concept_is_erased_with_one_click_at_the_layer_that_is_looked_at():
    app = probed()
    app.slider(key="layer_slider").set_value(2)
    app = settled(app)
    labelled(app, "Erase it").click()
    app = settled(app)
    assert view(app).erase == EraseView(layers=(2, 2), asked=True)
    app.switch_page("pages/change/erase.py")  # a test of the app stays on its page where a browser moves on
    assert "LEACE of" in said(settled(app))
