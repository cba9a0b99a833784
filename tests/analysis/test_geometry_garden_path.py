"""Sentences that mislead: what is aligned, how far it lies apart, and what neutral words do."""

import numpy as np
import pytest

from analysis.data.garden_paths import garden_paths
from analysis.errors import AnalysisError
from analysis.geometry.garden_path import BOUNDS, DISTANCES, NEUTRAL, aligned, distances, garden_path
from analysis.next_token import NATS_PER_BIT

AMBIGUOUS = "While the farmer watched the calf followed its mother."
CONTROL = "While the farmer watched, the calf followed its mother."


@pytest.fixture(scope="module")
def found(toy):
    return garden_path(toy, AMBIGUOUS, CONTROL)


def text_of(tokens, positions) -> str:
    return b"".join(tokens.pieces[position] for position in positions).decode()


# alignment


def test_a_token_put_in_shifts_what_follows():
    pairs, first = aligned((5, 6, 7, 8), (5, 6, 99, 7, 8))
    assert pairs.tolist() == [[0, 0], [1, 1], [2, 3], [3, 4]] and first == 2


def test_tokens_that_were_replaced_have_no_partner():
    pairs, first = aligned((5, 1, 6, 7), (5, 2, 3, 6, 7))
    assert pairs.tolist() == [[0, 0], [2, 3], [3, 4]] and first == 1


def test_a_common_beginning_is_kept_even_where_a_longer_run_would_cross_it():
    one, other = (1, 2, 9, 3, 4, 5), (1, 2, 3, 4, 5, 2)
    pairs, first = aligned(one, other)
    assert first == 2 and pairs[:2].tolist() == [[0, 0], [1, 1]]
    assert (np.diff(pairs, axis=0) > 0).all()
    assert all(one[a] == other[b] for a, b in pairs)


def test_the_first_token_is_paired_with_no_later_one():
    pairs, first = aligned((7, 8, 9), (3, 7, 8, 9))
    assert pairs.tolist() == [[1, 2], [2, 3]] and first == 0


def test_the_sentences_are_aligned_behind_the_comma(found):
    assert text_of(found.ambiguous, found.pairs[:, 0]) == AMBIGUOUS
    assert text_of(found.control, found.pairs[:, 1]) == CONTROL.replace(",", "")
    assert found.labels == found.ambiguous.labels
    assert found.pairs[found.first].tolist() == [found.first, found.first + 1]
    assert text_of(found.ambiguous, range(found.first)) == "While the farmer watched"


# distances


def test_distances_by_hand():
    one = np.array([[[1, 0, 2], [3, 0, 0]]], np.float32)
    other = np.array([[[0, 4, 2], [-1, 0, 0]]], np.float32)
    values = distances(one, other, np.array([10], np.float32))
    assert values["raw"].tolist() == [[5, 4]]
    np.testing.assert_allclose(values["manhattan"], [[0.5, 0.4]])
    np.testing.assert_allclose(values["cosine"], [[1 - 4 / (5 * 20) ** 0.5, 2]], atol=1e-6)
    swapped = distances(other, one, np.array([10], np.float32))
    assert all(np.array_equal(swapped[name], values[name]) for name in DISTANCES)


def test_before_the_difference_the_sentences_are_one(found):
    for name, result in found.distances.items():
        scale = 1 if name != "raw" else 100
        assert np.abs(result.values[:, : found.first]).max() < 1e-5 * scale
        assert (result.values[1:, found.first :] > 1e-3).all()
        assert np.abs(result.values[0]).max() < 1e-5  # the same token has the same embedding
        assert result.bounds == BOUNDS[name] and result.unit


def test_states_are_those_of_sentences_read_alone(toy, found):
    one, other = (toy.run(each).residuals() for each in (AMBIGUOUS, CONTROL))
    usual = np.concatenate([one[:, 1:], other[:, 1:]], 1)
    norms = np.linalg.norm(usual, axis=-1)
    kept = (norms <= 8 * np.median(norms, axis=1, keepdims=True)).all(0)
    lengths = np.median(np.abs(usual[:, kept]).sum(-1), axis=1)
    a, b = found.pairs.T
    expected = np.abs(one[:, a] - other[:, b]).sum(-1)
    np.testing.assert_allclose(found.distances["raw"].values, expected, atol=1e-3)
    np.testing.assert_allclose(found.distances["manhattan"].values, expected / lengths[:, None], atol=1e-5)
    cosine = (one[:, a] * other[:, b]).sum(-1)
    cosine /= np.linalg.norm(one[:, a], axis=-1) * np.linalg.norm(other[:, b], axis=-1)
    np.testing.assert_allclose(found.distances["cosine"].values, 1 - cosine, atol=1e-5)
    steps = np.abs(np.diff(one, axis=1)).sum(-1) / lengths[:, None]
    np.testing.assert_allclose(found.steps[0].values[:, 1:], steps, rtol=1e-4)
    assert np.isnan(found.steps[0].values[:, 0]).all()


def test_swapping_the_sentences_changes_no_distance(toy, found):
    swapped = garden_path(toy, CONTROL, AMBIGUOUS)
    assert np.array_equal(swapped.pairs, found.pairs[:, ::-1])
    for name in DISTANCES:
        np.testing.assert_allclose(swapped.distances[name].values, found.distances[name].values, atol=1e-4)


def test_surprisal_is_that_of_the_models_own_probabilities(toy, found):
    import torch

    for bits, text in zip(found.surprisal, (AMBIGUOUS, CONTROL), strict=True):
        ids = toy.tokenize(text).ids
        with torch.inference_mode():
            logits = toy.network(torch.tensor([ids])).logits[0].double().log_softmax(-1)
        nats = -logits[:-1].gather(1, torch.tensor(ids[1:])[:, None])[:, 0].numpy()
        np.testing.assert_allclose(bits[1:], nats / NATS_PER_BIT, rtol=1e-4)
        assert np.isnan(bits[0])
    np.testing.assert_allclose(
        found.surprisal[0][1 : found.first], found.surprisal[1][1 : found.first], rtol=1e-4
    )


# the control


def test_neutral_words_shift_the_control_by_as_many_tokens(toy, found):
    assert found.words == tuple(f"·{word.strip()}" for word in NEUTRAL)
    for values in found.neutral.values():
        assert values.shape == (len(found.words), toy.n_layers + 1, len(found.pairs))
        assert np.isnan(values[:, :, : found.first]).all()
        assert np.isfinite(values[:, :, found.first :]).all()
        assert (values[:, 1:, found.first :] > 1e-4).all()
    ids = toy.tokenize(CONTROL).ids
    place = int(found.pairs[found.first, 1])
    inserted = toy.tokenize(NEUTRAL[0]).ids
    longer = ids[:place] + inserted + ids[place:]
    longer = toy.tokenizer.tokens(longer, prompt_length=len(longer))
    before, behind = toy.run(CONTROL).residuals(), toy.run(longer).residuals()
    expected = np.abs(before[:, place:] - behind[:, place + len(inserted) :]).sum(-1)
    np.testing.assert_allclose(found.neutral["raw"][0][:, found.first :], expected, atol=1e-3)


def test_the_band_is_that_of_all_neutral_words(found):
    low, high = found.band("cosine")
    own = found.neutral["cosine"][:, :, found.first :]
    np.testing.assert_array_equal(low[:, found.first :], own.min(0))
    np.testing.assert_array_equal(high[:, found.first :], own.max(0))
    assert np.isnan(low[:, : found.first]).all()


def test_a_sentence_that_differs_by_a_neutral_word_only_lies_among_its_controls(toy):
    other = "The sea then is deep and wide."
    mild = garden_path(toy, "The sea is deep and wide.", other)
    low, high = mild.band("manhattan")
    own = mild.distances["manhattan"].values[1:, mild.first :]
    assert ((own < 3 * high[1:, mild.first :]) & (own > low[1:, mild.first :] / 3)).mean() > 0.9


def test_neutral_words_make_at_least_as_many_tokens_as_were_put_in(toy):
    longer = garden_path(toy, "The fox chased ran.", "The fox that was chased ran.")
    assert text_of(longer.ambiguous, longer.pairs[:, 0]) == "The fox chased ran."
    assert longer.words[:2] == ("·now·then", "·then·today") and len(set(longer.words)) == len(NEUTRAL)


# what is read off


def test_the_peak_lies_behind_the_difference(found):
    layer, pair = found.peak("manhattan")
    values = found.distances["manhattan"].values
    assert pair >= found.first and values[layer, pair] == values[:, found.first :].max()


def test_a_word_is_found_by_the_token_it_begins_with(found):
    pair = found.pair_of("followed")
    assert (
        text_of(found.ambiguous, range(found.pairs[pair, 0], len(found.ambiguous)))
        .lstrip()
        .startswith("followed")
    )
    assert found.pair_of("farmer") is None  # before the difference nothing can move
    assert found.pair_of("absent") is None and found.pair_of("") is None


# refusals


def test_sentences_that_cannot_be_compared_are_refused(toy):
    with pytest.raises(AnalysisError, match="Both sentences are the same"):
        garden_path(toy, AMBIGUOUS, AMBIGUOUS)
    with pytest.raises(AnalysisError, match="0 of them behind the first difference"):
        garden_path(toy, "abc", "abcd")
    with pytest.raises(AnalysisError, match="share 0 tokens"):
        garden_path(toy, "abc", "xyz")


# what ships


def test_shipped_pairs_differ_by_what_marks_the_way(toy):
    given = garden_paths()
    assert given.license == "CC0" and len(given.pairs) >= 8
    assert {pair.kind for pair in given.pairs} == set(given.kinds)
    for pair in given.pairs:
        shorter, longer = pair.ambiguous.split(), pair.control.replace(",", "").split()
        left = iter(longer)
        assert all(word in left for word in shorter), pair
        assert set(longer) - set(shorter) <= {"that", "who", "was"}
        assert pair.ambiguous.split().count(pair.word) == 1 and pair.control.split().count(pair.word) == 1
        marks = {"NP/Z": ", ", "NP/S": " that ", "MV/RR": " was "}
        assert marks[pair.kind] in pair.control and marks[pair.kind].strip() not in pair.ambiguous.split()


@pytest.mark.parametrize("kind", ["NP/Z", "NP/S", "MV/RR"])
def test_shipped_pairs_are_aligned_word_for_word(toy, kind):
    for pair in garden_paths().pairs:
        if pair.kind == kind:
            found = garden_path(toy, pair.ambiguous, pair.control)
            assert text_of(found.ambiguous, found.pairs[:, 0]) == pair.ambiguous
            assert found.pair_of(pair.word) is not None
