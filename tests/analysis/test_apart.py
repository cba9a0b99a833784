"""Telling two kinds of texts apart by features: planted differences are found, chance is not."""

import numpy as np
import pandas as pd
import pytest
import torch

from analysis import AnalysisError
from analysis.corpora import Corpus, of_labelled
from analysis.data.labelled_sets import labelled_set
from analysis.dictionaries.dictionary import SparseDictionary
from analysis.dictionaries.encoders import Linear
from analysis.dictionaries.neurons import neurons
from analysis.dictionaries.telling_apart.apart import PROMPT_POOLS, apart, compared, prompts_apart
from analysis.dictionaries.telling_apart.pooled import POOLS, pooled, pooled_states
from analysis.dictionaries.telling_apart.sides import (
    FEWEST_OF_SIDE,
    MOST_OF_SIDE,
    OTHERS,
    TwoSides,
    of_corpora,
    of_label,
)
from analysis.edits import Site
from analysis.results import Provenance
from tests.planted import a_dictionary

ORIGIN = Provenance("toy", "0", "float32", "m", "s", "w")


def texts(word: str, count: int) -> tuple[str, ...]:
    return tuple(f"{word} number {n} of them" for n in range(count))


def two(first: int = 6, second: int = 6, groups=None) -> TwoSides:
    own = texts("sea", first) + texts("sky", second)
    return TwoSides(
        ("sea", "sky"), Corpus("c", "Two", own), np.arange(first + second) < first, tuple(groups or own)
    )


def plain_dictionary(width: int) -> SparseDictionary:
    """A dictionary whose activations are the states themselves."""
    axes, nothing = np.eye(width, dtype=np.float32), np.zeros(width, np.float32)
    return SparseDictionary("plain", Site(1), Linear(), axes, nothing, axes.copy(), nothing.copy())


def of_values(values: np.ndarray):
    """Examples of one token each."""
    return pooled_states(
        plain_dictionary(values.shape[1]), values.astype(np.float32), np.arange(len(values)), "mean"
    )


def measured(values, first, groups=None, **settings):
    sides = two(int(first.sum()), int((~first).sum()), groups)
    return compared(of_values(values[np.argsort(~first, kind="stable")]), sides, "mean", ORIGIN, **settings)


def test_a_planted_difference_is_found_with_its_size_and_direction(rng):
    values = rng(0).standard_normal((80, 300))
    first = np.arange(80) % 2 == 0
    values[first, 17] += 3
    values[first, 18] -= 3
    found = measured(values, first)
    assert set(found.order[:2].tolist()) == {17, 18}
    assert found.outside[[17, 18]].all() and found.outside.sum() == 2
    assert found.effect[17] == pytest.approx(3 / 1.9, rel=0.25)  # the least spread is nearly 1 here
    assert found.low[17] < found.effect[17] < found.high[17] and found.low[17] > 0 > found.high[18]
    assert found.p[17] == pytest.approx(1 / 201) and found.q[17] < 0.05
    top = found.table().iloc[0]
    assert top["feature"] in (17, 18) and top["more in"] == ("sea" if top["feature"] == 17 else "sky")


def test_the_difference_and_the_effect_are_those_worked_out_by_hand():
    values = np.array([[1.0], [3.0], [2.0], [2.0], [5.0], [7.0], [6.0], [6.0]]).repeat(3, axis=1)
    found = measured(values, np.arange(8) < 4, shuffles=20)
    within = np.sqrt((2 + 2) / 6)
    least = np.sqrt(((values[:, 0] - 4) ** 2).mean())
    assert np.allclose(found.means, [[2] * 3, [6] * 3]) and np.allclose(found.difference, -4)
    assert np.allclose(found.effect, -4 / (within + least))


def test_where_nothing_differs_nothing_lies_beyond_chance_more_often_than_said(rng):
    beyond = [
        measured(rng(seed).standard_normal((40, 60)), np.arange(40) < 20, shuffles=60).outside.any()
        for seed in range(30)
    ]
    assert sum(beyond) <= 5  # 5% each: more than 5 of 30 happens once in 300
    found = measured(rng(99).standard_normal((40, 60)), np.arange(40) < 20)
    assert found.q.min() > 0.05 and found.p.min() > 0.01


def test_p_falls_as_effects_grow_and_q_stays_below_one(rng):
    values = rng(1).standard_normal((60, 50))
    first = np.arange(60) < 30
    values[first] += np.linspace(0, 3, 50)
    found = measured(values, first)
    order = found.order
    assert (np.diff(found.p[order]) >= 0).all() and (np.diff(found.q[order]) >= -1e-12).all()
    assert found.q.max() <= 1 and found.p.min() >= 1 / 201


def test_texts_of_one_group_are_one_observation(rng):
    base = rng(2).standard_normal((8, 40))
    values = np.repeat(base, 20, axis=0) + 0.01 * rng(3).standard_normal((160, 40))
    first = np.arange(160) < 80
    alone = measured(values, first)
    together = measured(values, first, [f"g{n // 20}" for n in range(160)])
    assert alone.outside.sum() > 10  # copies look like evidence
    assert not together.outside.any()
    assert ((together.high - together.low) > 2 * (alone.high - alone.low)).mean() > 0.9


def test_a_feature_that_never_varies_says_nothing(rng):
    values = rng(4).standard_normal((20, 5))
    values[:, 2] = 0
    found = measured(values, np.arange(20) < 10, shuffles=20)
    assert found.effect[2] == 0 and found.p[2] == 1 and 2 not in found.table()["feature"].tolist()
    still = measured(np.zeros((20, 5)), np.arange(20) < 10, shuffles=20)
    assert not still.outside.any() and len(still.table()) == 0 and np.isnan(still.missed.share)


def test_swapping_the_sides_turns_every_sign(rng):
    values = rng(5).standard_normal((30, 20))
    first = np.arange(30) < 15
    one = measured(values, first, shuffles=20)
    other = measured(np.concatenate([values[15:], values[:15]]), first, shuffles=20)
    assert np.allclose(one.effect, -other.effect) and one.missed.difference == pytest.approx(
        other.missed.difference
    )


def test_the_same_request_gives_the_same_numbers(rng):
    values = rng(6).standard_normal((30, 20))
    one, other = (measured(values, np.arange(30) < 15, shuffles=20) for _ in range(2))
    assert one.table().equals(other.table()) and np.array_equal(one.largest, other.largest)


def test_pooling_is_over_the_tokens_of_each_example(toy):
    dictionary = a_dictionary(toy)
    states = np.random.default_rng(0).standard_normal((5_000, toy.d_model)).astype(np.float32)
    rows = np.sort(np.random.default_rng(1).integers(7, size=5_000))  # examples cross the chunks
    with torch.inference_mode():
        own = dictionary.encode(torch.from_numpy(states)).numpy()
    mean, largest = (pooled_states(dictionary, states, rows, pool) for pool in ("mean", "max"))
    for example in range(7):
        mine = own[rows == example]
        assert np.allclose(mean.values[example], mine.mean(0), atol=1e-4)
        assert np.allclose(largest.values[example], mine.max(0))
        assert np.array_equal(mean.fires[example], (mine > 0).any(0))
        assert np.allclose(mean.means[example], states[rows == example].mean(0), atol=1e-4)
    assert np.allclose(mean.means, largest.means) and mean.tokens == 5_000
    with torch.inference_mode():
        rebuilt = dictionary.decode(torch.from_numpy(own)).numpy()
    left = ((states - rebuilt) ** 2).sum() / ((states - states.mean(0)) ** 2).sum()
    assert mean.explained == pytest.approx(1 - left, abs=1e-4)


def test_the_largest_of_a_signed_dictionary_keeps_its_sign():
    states = np.array([[1.0, -4.0, 2.0], [-3.0, -1.0, 2.0], [0.5, 0.5, 0.5]], np.float32)
    found = pooled_states(plain_dictionary(3), states, np.array([0, 0, 1]), "max")
    assert np.array_equal(found.values, [[-3, -4, 2], [0.5, 0.5, 0.5]])


def test_first_tokens_and_outliers_do_not_count(toy):
    dictionary = a_dictionary(toy)
    given = Corpus("c", "Some", texts("sea", 5))
    found = pooled(toy, dictionary, given, "mean")
    for row, text in enumerate(given.texts):
        states = toy.run(toy.tokenize(text), read=[dictionary.site]).at(dictionary.site)[1:]
        with torch.inference_mode():
            own = dictionary.encode(torch.from_numpy(states.copy())).numpy()
        assert np.allclose(found.values[row], own.mean(0), atol=1e-4)
    states = np.ones((20, 3), np.float32)
    states[4] = 100
    outlier = pooled_states(plain_dictionary(3), states, np.arange(20) // 5, "max")
    assert outlier.left_out == 1 and outlier.values.max() == 1


def test_an_example_is_read_at_its_span(toy):
    dictionary = a_dictionary(toy)
    given = Corpus("c", "Some", ("the sea is deep", "a sky is wide"), spans=((4, 7), (2, 5)))
    found = pooled(toy, dictionary, given, "span")
    for row, (text, letter) in enumerate(zip(given.texts, "ay", strict=True)):
        tokens = toy.tokenize(text)
        at = max(at for at, label in enumerate(tokens.labels) if label == letter)
        state = toy.run(tokens, read=[dictionary.site]).at(dictionary.site)[at]
        assert np.allclose(found.states[row], state, atol=1e-5)
    assert found.tokens == 2
    part = pooled(toy, dictionary, given, "mean")
    assert part.tokens == 6  # the letters of both words


def test_features_and_error_make_the_whole_difference_of_two_prompts(toy):
    one, other = toy.tokenize("the sea is deep"), toy.tokenize("a sky")
    for dictionary in (a_dictionary(toy), neurons(toy, 2)):
        for pool in PROMPT_POOLS:
            found = prompts_apart(toy, dictionary, one, other, pool)
            states = [toy.run(each, read=[dictionary.site]).at(dictionary.site) for each in (one, other)]
            part = slice(-1, None) if pool == "last" else slice(1, None)
            gap = states[0][part].mean(0) - states[1][part].mean(0)
            assert found.missed.difference == pytest.approx(float(np.linalg.norm(gap)), rel=1e-4)
            if pool == "max":
                assert np.isnan(found.parts).all()
                continue
            rows = dictionary.directions(list(range(dictionary.features)))
            made = found.difference @ rows
            assert found.missed.error == pytest.approx(float(np.linalg.norm(gap - made)), rel=1e-3, abs=1e-4)
            assert found.error_part == pytest.approx(float((gap - made) @ gap / (gap @ gap)), abs=1e-4)
    assert found.missed.error == pytest.approx(0, abs=1e-5)  # neurons leave nothing


def test_a_prompt_compared_with_itself_differs_in_nothing(toy):
    tokens = toy.tokenize("the sea is deep")
    found = prompts_apart(toy, a_dictionary(toy), tokens, tokens)
    assert not found.difference.any() and np.isnan(found.missed.share)


def test_two_prompts_have_no_interval_and_no_significance(toy):
    found = prompts_apart(toy, a_dictionary(toy), toy.tokenize("the sea"), toy.tokenize("a sky"))
    assert not {"p", "q", "from", "beyond chance"} & set(found.table().columns)
    assert "no significance" in found.provenance.misleads_when


def test_labels_of_a_set_are_told_apart_end_to_end(toy):
    corpus = of_labelled(labelled_set("tense"))
    first = corpus.columns["label"].iloc[0]
    for dictionary in (a_dictionary(toy), neurons(toy, 1)):
        sides = of_label(corpus, "label", first)
        found = apart(toy, dictionary, sides, "max", shuffles=20)
        assert found.counts == sides.counts and sides.names == (first, OTHERS)
        assert found.table()["effect"].abs().is_monotonic_decreasing
        assert dict(found.provenance.settings)["activation of an example"] == POOLS["max"]


def test_sides_are_drawn_and_grouped():
    many = Corpus("m", "Many", texts("sea", 900), pd.DataFrame({"label": ["x"] * 600 + ["y"] * 300}))
    sides = of_label(many, "label", "x", "y")
    assert sides.counts == (MOST_OF_SIDE, 300) and sides.drawn == (600, 300)
    assert set(sides.corpus.columns["label"][sides.first]) == {"x"}
    assert of_label(many, "label", "x", "y").corpus.texts == sides.corpus.texts
    grouped = Corpus(
        "g", "G", texts("sea", 8), pd.DataFrame({"label": list("xyxyxyxy"), "group": list("aabbccdd")})
    )
    assert len(set(of_label(grouped, "label", "x").groups)) == 4
    both = of_corpora(Corpus("a", "One", texts("sea", 5)), Corpus("b", "Two", texts("sky", 6) * 2))
    assert both.counts == (5, 6) and both.corpus.texts[:5] == texts("sea", 5)


@pytest.mark.parametrize(
    "make, said",
    [
        (lambda: of_label(Corpus("c", "C", texts("a", 9)), "label", "x"), "no column 'label'"),
        (lambda: of_label(labels("xxxxyyyy"), "label", "z"), "given 'z'"),
        (lambda: of_label(labels("xxxxyyyy"), "label", "x", "x"), "two different values"),
        (lambda: of_label(labels("xxxyyyyy"), "label", "x"), "has 3"),
        (
            lambda: of_corpora(Corpus("a", "A", texts("a", 4)), Corpus("b", "B", texts("a", 4))),
            "4 of the texts are on both sides",
        ),
    ],
)
def test_sides_that_make_no_sense_are_refused_in_a_sentence(make, said):
    with pytest.raises(AnalysisError, match=said):
        make()


def labels(cells: str) -> Corpus:
    return Corpus("c", "C", texts("a", len(cells)), pd.DataFrame({"label": list(cells)}))


def test_what_cannot_be_read_is_refused_in_a_sentence(toy, wrapped):
    dictionary, one = a_dictionary(toy), toy.tokenize("x")
    with pytest.raises(AnalysisError, match="no way to pool"):
        pooled(toy, dictionary, Corpus("c", "C", ("abc",)), "sum")
    with pytest.raises(AnalysisError, match="no part of a prompt"):
        prompts_apart(toy, dictionary, one, one, "sum")
    with pytest.raises(AnalysisError, match="20 shuffles"):
        apart(toy, dictionary, two(), shuffles=5)
    with pytest.raises(AnalysisError, match="would not fit into memory"):
        pooled(toy, a_dictionary(toy, features=9_000), Corpus("c", "C", ("abc",) * 50_000), "mean")
    assert FEWEST_OF_SIDE == 4
    with pytest.raises(AnalysisError, match="at least 4 texts"):
        two(3, 8)
