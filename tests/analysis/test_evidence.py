"""Evidence: numbers by hand, examples from every level, files that give back what they were given."""

import json
import time

import numpy as np
import pytest

from analysis.corpora import from_plain_text
from analysis.dictionaries.encoders import Linear
from analysis.dictionaries.evidence import loss_effect
from analysis.dictionaries.evidence.card import card
from analysis.dictionaries.evidence.evidence import Evidence
from analysis.dictionaries.evidence.evidence_file import FILE, read_evidence, write_evidence
from analysis.dictionaries.evidence.examples import BANDS, EACH, TOP, examples
from analysis.dictionaries.evidence.gathering import evidence, evidence_of, is_at_hand, now, sample_text
from analysis.dictionaries.evidence.in_context import in_context
from analysis.dictionaries.evidence.nearest import by_cosine, nearest
from analysis.dictionaries.evidence.packed import from_steps, in_steps, read_about
from analysis.dictionaries.evidence.promoted import promoted
from analysis.dictionaries.firing.firing_numbers import (
    chunk_bits,
    histogram,
    phi,
    places,
    strengths,
    together,
    top_tokens,
)
from analysis.dictionaries.firing.firings import Firings, firings, gather
from analysis.dictionaries.formats.sae_folder import read_folder
from analysis.dictionaries.labels import own_labels
from analysis.dictionaries.labels.words import words_of
from analysis.dictionaries.neurons import neurons
from analysis.dictionaries.shelf import SHIPPED
from analysis.errors import AnalysisError
from tests.analysis.test_firings import known, plain_dictionary
from tests.planted import a_dictionary

LINES = "\n".join(
    f"the {thing} is {how} and the {thing} was {how} again"
    for thing in ("sea", "sky", "boat")
    for how in ("deep", "blue", "calm")
)


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("BATHYSCOPE_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def of_toy(toy, tmp_path_factory):
    """A dictionary of the toy, what fires over some lines, and the evidence."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BATHYSCOPE_HOME", str(tmp_path_factory.mktemp("gathered")))
        dictionary = a_dictionary(toy)
        found = firings(toy, dictionary, from_plain_text(LINES), length=40)
        return dictionary, found, evidence_of(toy, dictionary, found, "some lines")


def by_hand() -> Firings:
    """Two texts of four tokens; the first of each does not count."""
    values = np.zeros((8, 3), np.float32)
    values[[1, 2, 5], 0] = 1, 4, 2
    values[[2, 6], 1] = 10, 10
    return gather(plain_dictionary(3), [values], *known([4, 4]), np.tile([False, True, True, True], 2))


def test_frequency_mean_and_ends_by_hand():
    found = strengths(by_hand())
    assert found["frequency"].tolist() == pytest.approx([0.5, 2 / 6, 0])
    assert found["mean"].tolist() == pytest.approx([7 / 3, 10, 0])
    assert found["largest"].tolist() == [4, 10, 0] and not found["smallest"].any()


def test_the_histogram_counts_every_entry_once_in_its_bin():
    found = histogram(by_hand(), np.array([4, 10, 0], np.float32), bins=4, decades=1)
    # bins of feature 0 begin at .4, .71, 1.26 and 2.25
    assert found[0].tolist() == [0, 1, 1, 1] and found[1].tolist() == [0, 0, 0, 2] and not found[2].any()


def test_places_say_how_much_more_often():
    found = places(by_hand())
    # four positions fall into every second eighth; feature 0 fires at positions 1, 2, 1
    assert found[0, [2, 4, 6]].tolist() == pytest.approx([2 / 1, 1 / 1, 0]) and not found[2].any()


def test_features_that_fire_at_the_same_tokens_by_hand():
    names, shares = together(by_hand())
    assert names[0, 0] == 1 and shares[0, 0] == pytest.approx(1 / np.sqrt(3 * 2))
    assert names[2, 0] == -1 and shares[2, 0] == 0


def test_top_tokens_count_a_word_in_any_form(rng):
    pieces = [b" Sea", b"sea", b" boat", b"."]

    class Named:
        def piece(self, index):
            return pieces[index]

    ids, position = np.array([0, 1, 2, 3, 0], np.int32), np.arange(5, dtype=np.int32)
    values = np.array([[1.0], [2.0], [4.0], [0.0], [2.0]], np.float32)
    found = gather(plain_dictionary(1), [values], ids, np.zeros(5, np.int32), position, np.ones(5, bool))
    token, share = top_tokens(found, words_of(Named(), ids, position))
    # 1 + 2 + 2 of 9 on the sea, most of it with a capital
    assert token.tolist() == [0] and share.tolist() == pytest.approx([5 / 9])


def test_chunks_are_bits_of_any_firing():
    bits, count = chunk_bits(by_hand(), 3)
    fires = np.unpackbits(bits, axis=1, count=count)
    assert count == 2 and fires.tolist() == [[1, 1], [1, 0], [0, 0]]


def test_phi_is_one_with_itself_zero_when_independent_and_the_formula_by_hand(rng):
    chunks = rng(0).random((40, 400)) < 0.3
    found = phi(chunks, 7)
    assert found[7] == pytest.approx(1) and np.abs(np.delete(found, 7)).max() < 4.5 / np.sqrt(400)
    assert found == pytest.approx(np.corrcoef(chunks)[7], abs=1e-5)
    assert np.isnan(phi(np.zeros((2, 5), bool), 0)).all()


def test_examples_come_from_every_level_and_the_strongest_from_different_texts(rng):
    lengths = [20] * 30
    values = rng(1).random((600, 1)).astype(np.float32) + 0.01
    found = gather(plain_dictionary(1), [values], *known(lengths))
    tokens, activations = examples(found)
    top = tokens[0, :TOP]
    own, all_values = found.of(0)
    strongest = {}
    for token in own[np.argsort(-all_values)]:
        strongest.setdefault(int(found.text[token]), int(token))
    assert top.tolist() == list(strongest.values())[:TOP]
    assert activations[0] == pytest.approx(values[tokens[0], 0])
    edges = np.quantile(all_values, np.linspace(1, 0, BANDS + 1))
    for band in range(BANDS):
        inside = activations[0, TOP + EACH * band : TOP + EACH * (band + 1)]
        assert (inside <= edges[band] + 1e-2).all() and (inside >= edges[band + 1] - 1e-2).all()
    assert len(set(tokens[0].tolist())) == len(tokens[0])


def test_a_feature_that_fires_once_has_one_example():
    found = by_hand()
    tokens, _ = examples(found)
    assert tokens[1].tolist()[:3] == [2, 6, -1] and (tokens[2] == -1).all()


def test_promoted_tokens_are_those_of_the_unembedding(toy):
    dictionary = a_dictionary(toy, layer=toy.n_layers)
    found = promoted(toy, dictionary, np.ones(dictionary.features, np.float32))
    gain = toy.parts.norm.weight.detach().numpy() if hasattr(toy.parts.norm, "weight") else 1.0
    logits = dictionary.decoder * gain @ toy.parts.head.weight.detach().numpy().T
    logits -= logits.mean(1, keepdims=True)
    assert np.array_equal(found["promoted"][:, 0], logits.argmax(1))
    assert np.array_equal(found["suppressed"][:, 0], logits.argmin(1))
    ratio = found["promotes"][:, 0] / logits.max(1)
    assert ratio == pytest.approx(ratio[0], rel=1e-3) and (found["suppresses"] < 0).all()


def test_the_table_has_its_columns_and_a_row_for_every_feature(of_toy):
    dictionary, found, known_of = of_toy
    table = known_of.table()
    agreed = ["feature", "label", "frequency", "mean", "max", "token_precision"]
    agreed += ["top_token", "context", "detection", "effect"]
    assert set(agreed) <= set(table.columns) and len(table) == dictionary.features
    assert np.allclose(table["frequency"], found.frequency(), atol=1e-6)
    assert set(table["kind"]) <= {"dead", "dense", "positional", "token", "context"}
    assert table["effect"].isna().all()


def test_a_file_gives_back_what_it_was_given(of_toy, toy, tmp_path):
    _, _, known_of = of_toy
    write_evidence(known_of, tmp_path / "e.safetensors")
    again = read_evidence(tmp_path / "e.safetensors", toy)
    for name in (
        "ids",
        "starts",
        "histogram",
        "example_tokens",
        "promoted",
        "together",
        "frequency",
        "largest",
    ):
        assert np.array_equal(getattr(again, name), getattr(known_of, name)), name
    assert again.labels == known_of.labels and dict(again.about) == dict(known_of.about)
    most = np.abs(known_of.example_values).max(1, keepdims=True)
    assert (np.abs(again.example_values - known_of.example_values) <= most / 500).all()
    assert np.array_equal(again.chunks(), known_of.chunks())


def test_steps_are_half_a_step_wrong_at_most(rng):
    values = rng(5).standard_normal((6, 40)).astype(np.float32)
    values[2] = 0
    again = from_steps(*in_steps(values))
    assert (np.abs(again - values) <= np.abs(values).max(1, keepdims=True) / 509).all() and not again[2].any()


def test_a_damaged_file_is_refused(of_toy, toy, tmp_path):
    path = tmp_path / "e.safetensors"
    write_evidence(of_toy[2], path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(AnalysisError, match="cannot be read"):
        read_evidence(path, toy)


def test_a_token_is_shown_in_its_stretch(of_toy):
    _, found, known_of = of_toy
    _, own = known_of.examples(int(found.firing().argmax()))[0]
    tokens, at = known_of.stretch(own[0].token)
    assert tokens.ids[at] == found.ids[own[0].token] and at == found.position[own[0].token]
    assert len(tokens) == (found.text == found.text[own[0].token]).sum()


def test_activations_around_an_example_are_those_that_were_gathered(of_toy, toy):
    dictionary, found, known_of = of_toy
    feature = int(found.firing().argmax())
    own = known_of.examples(feature)[0][1]
    contexts = in_context(toy, dictionary, feature, [known_of.stretch(each.token) for each in own])
    for each, context in zip(own, contexts, strict=True):
        assert context.activation(context.position) == pytest.approx(each.value, rel=1e-3)
        start = each.token - context.position
        near = found.dense([feature])[start + 1 : start + context.shown.stop, 0]
        assert context.activations[1:] == pytest.approx(near, abs=1e-3)


def test_neurons_have_examples_at_both_ends(toy):
    dictionary = neurons(toy, 1)
    found = firings(toy, dictionary, from_plain_text(LINES), length=40)
    known_of = evidence_of(toy, dictionary, found, "some lines")
    assert known_of.signed and not known_of.whole
    (high, most), (low, least) = known_of.examples(3)
    assert (high.name, low.name) == ("Most positive", "Most negative")
    assert most[0].value == pytest.approx(known_of.largest[3]) and least[0].value == pytest.approx(
        known_of.smallest[3]
    )
    assert [each.value for each in least] == sorted(each.value for each in least)


def test_context_share_is_zero_for_what_the_token_alone_does(toy):
    # at the embedding a state is its token's, whatever stands before
    dictionary = a_dictionary(toy, layer=0)
    found = firings(toy, dictionary, from_plain_text(LINES), length=40)
    known_of = evidence_of(toy, dictionary, found, "some lines")
    fires = known_of.frequency > 0
    assert known_of.context[fires] == pytest.approx(0, abs=1e-4) and np.isnan(known_of.context[~fires]).all()


def test_the_nearest_by_direction(rng):
    rows = np.array([[1, 0], [2, 0.1], [-1, 0], [0, 0]], np.float32)
    assert [other for other, _ in by_cosine(rows, 0, 3)] == [1, 2]
    assert by_cosine(rows, 0, 1)[0][1] == pytest.approx(2 / np.hypot(2, 0.1))


def test_neurons_are_compared_by_what_they_write(toy):
    dictionary = neurons(toy, 2)
    assert (
        nearest(toy, dictionary, 0)[0][1] > 0.05
    )  # as axes of their own site they would all be at right angles


def test_the_effect_on_the_loss_is_that_of_zeroing_the_feature(of_toy, toy):
    dictionary, found, known_of = of_toy
    feature = int(found.firing().argmax())
    where = [known_of.stretch(each.token) for each in known_of.examples(feature)[0][1]]
    effect = loss_effect.loss_effect(toy, dictionary, feature, where, known_of.frequency)
    assert effect.texts >= 1 and len(effect.nulls) == loss_effect.NULLS and effect.at != 0
    silent = int(np.flatnonzero(known_of.frequency == 0)[0]) if (known_of.frequency == 0).any() else None
    if silent is not None:
        assert loss_effect.loss_effect(toy, dictionary, silent, where, known_of.frequency).at == 0


def test_effects_and_labels_of_this_moment_are_in_the_table(of_toy, toy):
    dictionary, _, known_of = of_toy
    effect = loss_effect.LossEffect(4, 0.25, 0.1, 0.02, (0.0, 0.1), 3)
    loss_effect.keep(dictionary.fingerprint, effect)
    own_labels.give_label(dictionary, 4, "mine")
    row = now(known_of, dictionary).table().iloc[4]
    assert (row["label"], row["effect"]) == ("mine", 0.25) and row["yours"]
    assert loss_effect.kept(dictionary.fingerprint)[4] == effect and effect.stands_out


def test_evidence_is_gathered_once_and_then_read(toy, monkeypatch):
    dictionary, corpus = a_dictionary(toy), from_plain_text(LINES)
    first = evidence(toy, dictionary, corpus=corpus)
    monkeypatch.setattr(
        "analysis.dictionaries.evidence.gathering.firings", lambda *_, **__: pytest.fail("Gathered again.")
    )
    started = time.perf_counter()
    again = evidence(toy, dictionary, corpus=corpus)
    assert time.perf_counter() - started < 2 and again.labels == first.labels
    assert not is_at_hand(toy, dictionary)
    assert "ships with the program" in sample_text().source


def test_a_card_is_plain_data(of_toy):
    dictionary, found, known_of = of_toy
    feature = int(found.firing().argmax())
    said = json.loads(json.dumps(card(dictionary, known_of, feature)))
    assert said["feature"] == feature and said["examples"]["Strongest"][0]["activation"] > 0
    first = said["examples"]["Strongest"][0]
    assert first["tokens"][first["at"]] == known_of.word(found.ids[known_of.example_tokens[feature, 0]])
    assert isinstance(known_of, Evidence)


def test_signed_dictionaries_of_weights_are_gathered_at_both_ends(toy):
    dictionary = a_dictionary(toy, kind=Linear())
    found = firings(toy, dictionary, from_plain_text(LINES), length=40)
    assert not found.whole and evidence_of(toy, dictionary, found, "lines").smallest.min() < 0


def test_evidence_that_ships_is_of_the_weights_it_lies_beside():
    for path in SHIPPED.glob(f"*/*/{FILE}"):
        assert read_about(path)["dictionary"] == read_folder(path.parent).fingerprint
