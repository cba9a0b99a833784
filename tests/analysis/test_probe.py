"""A probe over a model's layers: what is planted is found where it is, and handed on as a direction."""

import numpy as np
import pytest

from analysis.edits import Site, Steer, Variant
from analysis.errors import AnalysisError, Cancelled
from analysis.labelled import LabelledSet
from analysis.methods.probe import direction, names_of, probe, token_scores, unit_direction
from analysis.next_token import promoted


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    monkeypatch.setenv("BATHYSCOPE_HOME", str(tmp_path))


def words(count: int = 60) -> LabelledSet:
    """Texts that end in x or in y, in a sea of other letters."""
    random = np.random.default_rng(0)
    texts, targets = [], []
    for number in range(count):
        letters = "".join(random.choice(list("abcdefgh"), 6))
        targets.append(number % 2)
        texts.append(f"{letters} {'xy'[number % 2]}")
    return LabelledSet("w", "Ending", "Does it end in y?", tuple(texts), np.array(targets), ("x", "y"))


def lengths(count: int = 80) -> LabelledSet:
    """Numbers that a text's last letter gives away."""
    random = np.random.default_rng(1)
    values = random.integers(0, 8, count)
    texts = tuple(f"{''.join(random.choice(list('abcd'), 5))} {'stuvwxyz'[v]}" for v in values)
    return LabelledSet(
        "n", "Letter", "Which letter?", texts, values[:, None].astype(float), numbers=("place",)
    )


def test_what_the_last_token_says_is_read_at_every_layer(toy):
    found = probe(toy, words(), "last", "logistic")
    assert found.layers == tuple(range(toy.n_layers + 1))
    scores = [each.score for _, each in found.scores]
    assert scores[0] == 1
    assert min(scores) > 0.6  # random weights mix it with the rest
    assert found.best == 0
    assert found.summary().startswith("At layer 0, 100% of held-out examples are told right")
    assert found.emerges is None or f"From layer {found.emerges} on" in found.summary()


def test_labels_that_mean_nothing_are_not_there(toy):
    given = words()
    random = LabelledSet(
        "r", "R", "?", given.texts, np.random.default_rng(5).permutation(given.targets), ("x", "y")
    )
    found = probe(toy, random, "last", "means")
    for _, each in found.scores:
        assert each.low <= 0.65
    assert "cannot tell it from chance" in found.summary()
    assert found.emerges is None


def test_a_probes_direction_steers_the_way_it_reads(toy):
    found = probe(toy, words(), "last", "means")
    made = direction(toy, found)
    assert (made.name, made.layers) == ("Ending: y", tuple(range(toy.n_layers + 1)))
    layer = 2
    push = Steer(Site(layer), made.unit(layer), 30.0)
    state = toy.run("abc x", variants=(Variant("pushed", (push,)),)).residuals()[layer][-1:]
    plain = toy.run("abc x").residuals()[layer][-1:]
    assert found.at(layer).probe.predict(plain)[0] == 0
    assert found.at(layer).probe.predict(state)[0] == 1


def test_neurons_are_read_from_layer_one_on_and_have_no_direction(toy):
    found = probe(toy, words(), "last", "sparse")
    assert found.layers == (1, 2, 3)
    assert found.at(1).score > 0.6
    with pytest.raises(AnalysisError, match="Layer 0 was not probed; there are layers 1 to 3"):
        found.at(0)
    with pytest.raises(AnalysisError, match="has no direction in the residual stream"):
        direction(toy, found)


def test_a_control_that_cannot_be_learned_is_left_out(toy):
    once = probe(toy, words(), "last", "means")
    assert not once.has_control  # every text comes once
    assert "control" not in once.summary()
    given = words()
    spans = tuple((len(text) - 1, len(text)) for text in given.texts)
    again = LabelledSet("s", "S", "?", given.texts, given.targets, given.classes, spans=spans)
    ends = probe(toy, again, "span", "means")
    assert ends.has_control  # x and y come again
    assert "A control task" in ends.summary() or "a control task" in ends.summary()


def test_numbers_are_told_and_named(toy):
    found = probe(toy, lengths(), "last", "ridge")
    assert names_of(found.given) == ("place",)
    assert found.at(0).score > 0.5
    assert direction(toy, found).name == "Letter: place"
    assert "variance (R2)" in found.summary()


def test_a_cancelled_probe_goes_on(toy):
    kept = []

    def stop(message, done=0, total=None):
        if message == "Probing layer 2":
            raise Cancelled

    with pytest.raises(Cancelled):
        probe(toy, words(), "last", "means", keep=kept.append, report=stop)
    assert kept[-1].missing == (2, 3)
    whole = probe(toy, words(), "last", "means")
    continued = probe(toy, words(), "last", "means", done=kept[-1])
    assert [each.score for _, each in continued.scores] == [each.score for _, each in whole.scores]


def test_what_a_direction_promotes_is_what_it_was_made_of(planted):
    axis = np.eye(planted.d_model, dtype=np.float32)[-1]
    (label, gain), *rest = promoted(planted, axis, 5)
    assert label == "Z"
    assert gain > rest[0][1]


def test_tokens_are_scored_about_their_own_mean(toy):
    vector = unit_direction(probe(toy, words(), "last", "means").at(1))
    states = toy.run("abcdefg x").residuals()[1]
    scores = token_scores(states, vector)
    assert abs(scores[1:].mean()) < 1e-9
    assert scores[1:].std() == pytest.approx(1)
    assert np.allclose(token_scores(3 * states, vector), scores, atol=1e-4)  # in deviations
    hand = np.array([[9, 0], [1, 5], [3, 5]], np.float32)
    assert token_scores(hand, np.array([1, 0], np.float32)).tolist() == [7, -1, 1]
