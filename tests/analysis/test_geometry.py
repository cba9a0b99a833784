"""From texts to clouds and from clouds to curves; what the controls are; the random-weights model."""

import numpy as np
import pandas as pd
import pytest
import torch

from analysis.corpora import Corpus
from analysis.edits import Site, Steer, Variant
from analysis.errors import AnalysisError, Cancelled
from analysis.geometry.cloud import Cloud, standard_normal
from analysis.geometry.measure import Found, Measure
from analysis.knobs import choice, knob, knobs, require_in_range, said
from analysis.methods.geometry import TOKENS, measured, of_run, read, shipped_text
from analysis.models.untrained import untrained
from analysis.results import Bounds

TEXTS = ("the sea is deep", "I see 12, 13!", "an old man on the boat in the rain")


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    monkeypatch.setenv("BATHYSCOPE_HOME", str(tmp_path))


def corpus(texts=TEXTS, **changes) -> Corpus:
    return Corpus(**({"id": "t", "name": "T", "texts": tuple(texts)} | changes))


def cloud(values: np.ndarray, text=None, position=None, **changes) -> Cloud:
    count = values.shape[1]
    text = np.zeros(count, np.int64) if text is None else np.asarray(text)
    position = np.arange(count) if position is None else np.asarray(position)
    settings = {"token": np.zeros(count, np.int64), "shown": ("x",) * count} | changes
    return Cloud(
        "c",
        tuple(range(len(values))),
        values.astype(np.float32),
        np.arange(count),
        text,
        position,
        **settings,
    )


def near(a, b) -> bool:
    """Equal up to the rounding of another batch."""
    return np.allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(b).max())


# reading


def test_every_token_but_the_first_is_a_point_with_its_states(toy):
    found = read(toy, corpus(), outliers=False)
    start = 0
    for number, text in enumerate(TEXTS):
        own = toy.run(text).residuals()[:, 1:]
        here = found.texts[number]
        assert np.array_equal(found.position[here], np.arange(1, own.shape[1] + 1))
        assert np.array_equal(found.token[here], toy.tokenize(text).ids[1:])
        for layer in range(toy.n_layers + 1):
            assert near(found.at(layer)[here], own[layer])
        start += own.shape[1]
    assert len(found) == start and found.left_out == len(TEXTS)


def test_the_switch_lets_first_tokens_count(toy):
    found = read(toy, corpus(), outliers=True)
    assert found.left_out == 0
    assert (found.position == 0).sum() == len(TEXTS)


def test_an_outlier_of_norm_is_left_out_and_counted(toy, monkeypatch):
    run = toy.run("the sea is deep")
    values = run.values.copy()
    values[2, 0, 3] *= 1000
    run = type(run)(run.model, run.rows, run.tokens, run.sites, values, run.mask)
    found = of_run(toy, run)
    assert 3 not in found.position and 0 not in found.position and found.left_out == 2
    assert found.outlying == (run.tokens[0].labels[3],)
    assert found.left_out_in_words().startswith(
        "2 (first tokens 1; norms far above the rest at some layer 1, "
    )
    assert f"most often {run.tokens[0].labels[3]} 1" in found.left_out_in_words()
    assert of_run(toy, run, outliers=True).left_out_in_words() == "none"
    assert 3 in of_run(toy, run, outliers=True).position


def test_a_run_and_a_reading_of_the_same_text_are_the_same_cloud(toy):
    text = TEXTS[2]
    ran, was_read = of_run(toy, toy.run(text)), read(toy, corpus([text]))
    assert np.array_equal(ran.token, was_read.token) and np.array_equal(ran.position, was_read.position)
    assert near(ran.at(2), was_read.at(2))


def test_texts_are_cut_and_drawn_and_equal_ones_are_read_once(toy):
    found = read(toy, corpus([*TEXTS, TEXTS[0]]), length=6)
    assert len(found.texts) == 3
    assert found.position.max() == 5
    few = read(toy, corpus([f"text {number}" for number in range(9)]), most=4, seed=1)
    same = read(toy, corpus([f"text {number}" for number in range(9)]), most=4, seed=1)
    assert len(few.texts) == 4 and few.key == same.key
    assert few.key != read(toy, corpus([f"text {number}" for number in range(9)]), most=4, seed=2).key


def test_filters_split_the_tokens(toy):
    clouds = {name: read(toy, corpus(), tokens=name) for name in TOKENS}
    spelled = {
        name: [toy.tokenizer.piece(token).decode() for token in each.token] for name, each in clouds.items()
    }
    assert all(any(map(str.isalpha, each)) for each in spelled["words"])
    assert not any(any(map(str.isalpha, each)) for each in spelled["others"])
    assert {"1", "!"} <= set(spelled["others"])
    assert len(clouds["words"]) + len(clouds["others"]) == len(clouds["all"])
    assert [int(each) for each in clouds["last"].position] == [len(toy.tokenize(text)) - 1 for text in TEXTS]


def test_shuffled_tokens_stand_at_the_same_places_with_the_same_counts(toy):
    plain, shuffled = read(toy, corpus()), read(toy, corpus(), deal=3)
    assert np.array_equal(plain.text, shuffled.text) and np.array_equal(plain.position, shuffled.position)
    assert not np.array_equal(plain.token, shuffled.token)
    assert sorted(plain.token) == sorted(shuffled.token)
    # the states belong to the dealt tokens: layer 0 is a table of them
    for token in set(shuffled.token) & set(plain.token):
        assert near(shuffled.at(0)[shuffled.token == token][0], plain.at(0)[plain.token == token][0])


def test_an_edited_reading_is_that_of_the_edited_run(toy):
    push = Steer(Site(2), np.ones(toy.d_model, np.float32), 2.0)
    found = read(toy, corpus([TEXTS[0]]), edits=(push,))
    own = toy.run(TEXTS[0], variants=(Variant("edited", (push,)),)).residuals()
    assert near(found.at(3), own[3, 1:])
    assert near(found.at(1), read(toy, corpus([TEXTS[0]])).at(1))


def test_labels_go_to_all_tokens_of_a_text_or_to_the_end_of_the_marked_word(toy):
    table = pd.DataFrame({"label": ["a", "b", "a"]})
    whole = read(toy, corpus(columns=table, label="label"))
    assert [whole.labels[own.start] for own in whole.texts] == ["a", "b", "a"]
    spans = ((4, 7), None, (3, 6))
    marked = read(toy, corpus(columns=table, label="label", spans=spans))
    assert sum(map(bool, marked.labels)) == 2
    last = [toy.tokenizer.piece(marked.token[i]).decode() for i, each in enumerate(marked.labels) if each]
    assert last == ["a", "d"]  # sea, old
    assert read(toy, corpus()).labels == ()


def test_several_marks_on_one_text_label_each_word(toy):
    table = pd.DataFrame({"label": ["noun", "verb"]})
    found = read(
        toy, corpus(["men run"] * 2, columns=table, label="label", spans=((0, 3), (4, 7))), outliers=True
    )
    assert len(found.texts) == 1
    assert [each for each in found.labels if each] == ["noun", "verb"]


def test_what_cannot_be_read_is_said(toy):
    with pytest.raises(AnalysisError, match="no choice of tokens"):
        read(toy, corpus(), tokens="some")
    with pytest.raises(
        AnalysisError, match="No token is left of 1: first tokens and outliers of norm stand apart. Give"
    ):
        read(toy, corpus(["a"]))
    with pytest.raises(AnalysisError, match="At least one token"):
        read(toy, corpus(), length=0)

    def stop(message, done=0, total=None):
        raise Cancelled("stop")

    with pytest.raises(Cancelled):
        read(toy, corpus(), report=stop)


def test_the_shipped_text_is_enough_for_two_hundred_texts():
    texts = shipped_text().texts
    assert len(texts) >= 200 and len(set(texts)) == len(texts)
    assert max(map(len, texts)) <= 400 and min(map(len, texts)) > 190


# clouds


def test_a_layer_that_is_not_finite_is_named_and_others_stand(toy, rng):
    values = rng(0).normal(size=(3, 8, 5)).astype(np.float32)
    values[1, 2, 3] = np.nan
    given = cloud(values)
    with pytest.raises(AnalysisError, match="Layer 1 holds numbers that are not finite"):
        given.at(1)
    found = measured(toy, given, MEAN)
    assert np.isnan(found.values[1]) and np.isfinite(found.values[[0, 2]]).all()
    assert found.notes == (
        "Layer 1: Layer 1 holds numbers that are not finite; nothing can be measured there.",
    )


def test_texts_are_slices_and_a_sample_is_the_same_at_every_layer(rng):
    given = cloud(rng(0).normal(size=(2, 7, 3)), text=[0, 0, 2, 2, 2, 5, 5])
    assert given.texts == (slice(0, 2), slice(2, 5), slice(5, 7))
    assert np.array_equal(given.sample(3), given.sample(3)) and len(given.sample(3)) == 3
    assert np.array_equal(given.sample(99), np.arange(7))
    assert given.below(1) == 0
    with pytest.raises(AnalysisError, match="needs a layer below"):
        given.below(0)


def test_the_gaussian_control_has_the_shape_and_nothing_else(rng):
    given = cloud(rng(0).normal(size=(3, 4000, 6)) * 50 + 9)
    null = standard_normal(given, 1)
    assert null.layers == (0, 1) and len(null) == 4000 and np.array_equal(null.text, given.text)
    both = np.concatenate([null.at(0), null.at(1)], axis=1)
    assert np.abs(np.cov(both.T) - np.eye(12)).max() < 0.1 and np.abs(both.mean(0)).max() < 0.1
    assert np.array_equal(null.at(0), standard_normal(given, 1).at(0))


def test_what_is_made_once_is_not_made_again(rng):
    given, made = cloud(rng(0).normal(size=(1, 4, 2))), []
    for _ in range(2):
        assert given.once("a", lambda: made.append(1) or 5) == 5
    assert made == [1]


# measuring


def _mean(given: Cloud, layer: int, params: object) -> Found:
    lengths = np.linalg.norm(given.at(layer), axis=1)
    return Found(float(lengths.mean()), lengths, {"most": float(lengths.max())})


def row(at=_mean, **changes) -> Measure:
    settings = {
        "id": "mean",
        "title": "Mean length",
        "question": "even",
        "meaning": "How long states are.",
        "formula": "mean |h|",
        "source": "none",
        "misleads_when": "never",
        "unit": "length",
        "bounds": Bounds(0.0, None),
    }
    return Measure(at=at, **(settings | changes))


MEAN = row()


def test_a_curve_carries_unit_count_companions_and_points(toy, rng):
    given = cloud(rng(0).normal(size=(3, 8, 5)))
    found = measured(toy, given, MEAN)
    assert found.layers == (0, 1, 2) and found.count == 8 and found.curve.unit == "length"
    expected = np.linalg.norm(given.values, axis=2)
    assert np.allclose(found.values, expected.mean(1))
    assert np.allclose(found.per_point, expected)
    assert np.allclose(found.beside["most"], expected.max(1))
    assert ("count", "8 tokens") in found.curve.provenance.settings


def test_a_step_has_no_value_at_the_lowest_layer(toy, rng):
    given = cloud(rng(0).normal(size=(3, 8, 5)))
    found = measured(toy, given, row(is_step=True))
    assert np.isnan(found.values[0]) and np.isfinite(found.values[1:]).all()
    assert np.isnan(found.per_point[0]).all()


def test_a_measure_that_cannot_be_taken_says_why(toy, rng):
    given = cloud(rng(0).normal(size=(2, 3, 5)))
    refusing = row(needs=lambda given, params: f"This needs 10 points; there are {len(given)}.")
    with pytest.raises(AnalysisError, match="needs 10 points; there are 3"):
        measured(toy, given, refusing)

    def never(given, layer, params):
        raise AnalysisError("All states are equal.")

    with pytest.raises(AnalysisError, match="Layer 0: All states are equal"):
        measured(toy, given, row(at=never))


def test_a_value_outside_of_its_bounds_is_refused(toy, rng):
    wrong = row(at=lambda given, layer, params: Found(-1.0))
    with pytest.raises(AnalysisError, match="by definition"):
        measured(toy, cloud(rng(0).normal(size=(2, 3, 5))), wrong)


def test_measuring_stops_when_asked(toy, rng):
    def stop(message, done=0, total=None):
        if done:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        measured(toy, cloud(rng(0).normal(size=(2, 3, 5))), MEAN, report=stop)


# knobs


def test_a_choice_is_one_of_its_words():
    from dataclasses import make_dataclass

    params = make_dataclass(
        "Params",
        [
            ("way", str, choice({"raw": "as they are", "centred": "centred"}, "Rows", "What is done.")),
            ("k", int, knob(5, 1, 9, 1, "Neighbours", "How many.")),
        ],
        frozen=True,
    )
    assert params().way == "raw" and dict(knobs(params)[0].options) == {
        "raw": "as they are",
        "centred": "centred",
    }
    assert said(params(way="centred")) == (("rows", "centred"), ("neighbours", "5"))
    require_in_range(params())
    with pytest.raises(AnalysisError, match="Rows is one of raw, centred; given 'other'"):
        require_in_range(params(way="other"))


# the model that never learned


def test_a_random_model_has_the_shape_and_other_weights(toy):
    other = untrained(toy, seed=1)
    try:
        assert (other.n_layers, other.d_model, other.vocabulary) == (
            toy.n_layers,
            toy.d_model,
            toy.vocabulary,
        )
        assert all(check.passed for check in other.parity)
        assert other.fingerprint != toy.fingerprint and other.dtype == toy.dtype
        assert other.tokenize("the sea").ids == toy.tokenize("the sea").ids
        mine, own = (model.network.state_dict() for model in (toy, other))
        assert not any(torch.equal(mine[name], own[name]) for name in own if own[name].dim() > 1)
        again = untrained(toy, seed=1)
        assert all(torch.equal(again.network.state_dict()[name], own[name]) for name in own)
        assert again.fingerprint == other.fingerprint != untrained(toy, seed=2).fingerprint
    finally:
        other.close()


def test_drawing_weights_leaves_the_random_state_alone(toy):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    untrained(toy).close()
    assert torch.equal(torch.rand(3), expected)


def test_every_family_has_a_random_twin(family):
    other = untrained(family.model)
    try:
        proved = [
            [(check.concern, check.passed) for check in model.parity[:4]] for model in (other, family.model)
        ]
        assert proved[0] == proved[1]
    finally:
        other.close()


def test_no_memory_for_a_second_model_is_said(toy, monkeypatch):
    from types import SimpleNamespace

    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=10))
    with pytest.raises(AnalysisError, match="Leave this control out"):
        untrained(toy)
