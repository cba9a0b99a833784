"""What a map of texts is labelled, coloured and measured with: values worked by hand."""

import numpy as np
import pandas as pd
import pytest

from analysis.captures import States
from analysis.maps.quality import Quality
from analysis.places import EACH
from components.corpus_map import coloring, measured
from components.corpus_map.picture import labels_of
from components.corpus_map.prompt_among import _read_at
from components.trust import kept_sentences


class Now:
    """A job that is done where it is asked for."""

    def __init__(self, key, title, work):
        self.value = work(lambda *said: None)


@pytest.fixture
def states():
    values = np.zeros((3, 4, 2), np.float32)
    values[0] = [[3, 4], [1, 0], [0, 2], [1, 0]]
    values[1] = [[6, 8], [0, 1], [0, 4], [1, 0]]
    values[2] = values[1]
    return States((0, 5, 9), values, "key")


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(measured, "held", Now)


def test_norms_are_lengths(states):
    assert measured.norms_of(states).value.tolist() == [[5, 1, 2, 1], [10, 1, 4, 1], [10, 1, 4, 1]]


def test_movement_is_from_the_drawn_layer_before_and_directions_ignore_length(states):
    rows = np.arange(4)
    raw = measured.moved_of(states, rows, (0, 5, 9), "raw").value
    unit = measured.moved_of(states, rows, (0, 5, 9), "unit").value
    assert np.isnan(raw[0]).all()
    assert raw[1].tolist() == pytest.approx([5, 2**0.5, 2, 0]) and raw[2].tolist() == [0, 0, 0, 0]
    assert unit[1].tolist() == pytest.approx([0, 2**0.5, 0, 0], abs=1e-6)


def test_labels_are_tokens_marked_words_or_beginnings():
    text = "They sat on the grassy bank of the river all day"
    points = pd.DataFrame({"text": [text], "token": ["·bank"], "start": [22], "end": [27]})
    assert labels_of(points, EACH) == ("·bank",)
    assert labels_of(points, "span") == ("on the grassy bank",)
    assert labels_of(points, "last") == ("They sat on the gras…",)


def test_columns_become_classes_or_numbers():
    points = pd.DataFrame({"label": ["b", "a", "b"], "size": [1.0, 2.0, 3.0], "position": [4, 0, 2]})
    classes = coloring.by_column(points, "column.label")
    assert classes.names == ("a", "b") and classes.codes.tolist() == [1, 0, 1]
    many = pd.DataFrame({"size": np.arange(20.0), "position": 0})
    assert coloring.by_column(many, "column.size").values.tolist() == list(range(20))
    assert coloring.by_column(points, coloring.PLACE).values.tolist() == [4, 0, 2]


@pytest.mark.parametrize(
    "spot, expected", [("last", [[4]]), ("mean", [[3]]), ("span", [[2]]), (EACH, [[2], [3], [4]])]
)
def test_the_prompt_is_read_where_the_texts_are(spot, expected):
    states = np.array([[100], [2], [3], [4]], np.float32)  # the first is an attention sink
    assert _read_at(states, spot, 1).tolist() == expected


@pytest.mark.parametrize("kept, warned", [(0.9, False), (0.3, True), (0.12, True)])
def test_a_picture_that_keeps_little_is_said_not_to_be_read(kept, warned):
    quality = Quality(3, 5, 51, 0.8, 0.7, kept, 0.1, np.zeros(51, np.float32), None)
    sentences = kept_sentences(quality, "token", "51", ", a twin 20%")
    assert f"keeps {kept:.0%} (chance 10%, a twin 20%)" in sentences[1]
    assert (len(sentences) == 3) == warned
