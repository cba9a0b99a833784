"""What a recipe changes: against plain transformers, by hand, and beside random controls."""

import dataclasses
import re

import numpy as np
import pytest
import torch

from analysis import next_token
from analysis.background import background, null_recipe
from analysis.directions import Direction
from analysis.edits import BASE, Erase, Site
from analysis.erasers import ERASERS
from analysis.erasers.erasure import Erasure
from analysis.erasers.projections import random_subspace
from analysis.errors import AnalysisError, Cancelled
from analysis.methods import effect as module
from analysis.methods import lens
from analysis.methods.effect import change, measure, movers, variants_of, verdict, word_shift, word_verdict
from analysis.methods.lens import read
from analysis.methods.unembedding import towards_token
from analysis.models import toy as toys
from analysis.recipes import Dose, Recipe
from analysis.results import AgainstNull, Bounds, Provenance

TEXT = "the sea is deep"
LAYER, STRENGTH = 2, 0.4
HERE = Provenance("model", "1", "float32", "by hand", "nobody", "always")


def direction(seed=0) -> Direction:
    vector = np.random.default_rng(seed).normal(size=22).astype(np.float32)
    return Direction("d", (0, 1, 2, 3), np.tile(vector, (4, 1)), "", "made for a test", "none", 2, "a test")


def recipe(strength=STRENGTH, layers=(LAYER, LAYER), operation="add", positions="all") -> Recipe:
    return Recipe("push", (Dose(direction(), strength, layers, operation, positions),))


def erasure(layer=LAYER, rank=3) -> Erasure:
    eraser = random_subspace(22, rank, 9)
    return Erasure("e", (layer,), (dataclasses.replace(eraser, method="leace"),), "", "made for a test")


@pytest.fixture(scope="module")
def usual(toy):
    return background(toy)


@pytest.fixture(scope="module")
def tokens(toy):
    return toy.tokenize(TEXT)


@pytest.fixture(scope="module")
def measured(toy, tokens, usual):
    return measure(toy, tokens, recipe(), usual, nulls=3, seed=5)


@pytest.fixture(scope="module")
def plain(tokens, usual):
    """Log-probabilities of plain transformers in float64: unedited, and with the push added before block 3."""
    network = toys.build("toy:random").network
    push = torch.from_numpy(STRENGTH * usual.norms[LAYER] * direction().unit(LAYER))

    def log_probabilities():
        with torch.no_grad():
            return network(torch.tensor([tokens.ids])).logits[0].double().log_softmax(-1).numpy()

    base = log_probabilities()
    network.model.layers[LAYER].register_forward_pre_hook(lambda _, given: (given[0] + push, *given[1:]))
    return base, log_probabilities()


def against(values, nulls, labels=None) -> AgainstNull:
    values, nulls = np.array(values, np.float32), np.array(nulls, np.float32).reshape(-1, len(values))
    labels = labels or tuple(map(str, range(len(values))))
    return AgainstNull("change", "bits", Bounds(0, None), HERE, "token", labels, values, nulls)


# by hand and against plain transformers


def test_the_divergence_equals_plain_transformers_in_float64(measured, plain):
    base, edited = plain
    want = (np.exp(base) * (base - edited)).sum(-1) / np.log(2)
    assert want.min() > 0.01
    assert np.allclose(measured.kl[0], want, rtol=1e-4, atol=1e-5)


def test_the_divergence_of_a_worked_distribution(toy, monkeypatch):
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.25], [0.25, 0.25, 0.5], [0.5, 0.25, 0.25]]))
    monkeypatch.setattr(toy, "read_out", lambda states: logits[states[..., 0].long()], raising=False)
    states = np.zeros((3, 1, 22), np.float32)
    states[:, 0, 0] = [0, 1, 2]
    kl = next_token.divergences(toy, states[0], states[1:], lambda *_: None)
    # 1/2 log2(2) + 1/4 log2(1) + 1/4 log2(1/2) = 1/4
    assert np.allclose(kl, [[0.25], [0]], atol=1e-6)


def test_the_movers_are_the_likely_tokens_by_how_far_their_odds_move(toy, measured, plain):
    position, count = 6, 5
    base, edited = (each[position] for each in plain)
    odds = [each - np.log1p(-np.exp(each)) for each in (base, edited)]
    shift = odds[1] - odds[0]
    candidates = set(np.argsort(-base)[:count]) | set(np.argsort(-edited)[:count])
    order = sorted(sorted(candidates, key=lambda i: -abs(shift[i]))[:count], key=lambda i: -shift[i])
    found = movers(toy, measured, position, count)
    assert found.labels == tuple(toy.tokenizer.label(int(i)) for i in order)
    assert found.labels == found.shift.labels
    assert np.allclose(found.base, np.exp(base[order]), atol=1e-5)
    assert np.allclose(found.edited, np.exp(edited[order]), atol=1e-5)
    assert np.allclose(found.shift.values, shift[order], atol=1e-3)
    assert (found.shift.unit, found.shift.bounds) == ("nats", Bounds(None, None))
    assert found.shift.nulls.shape == (3, count)


def test_the_planted_token_moves_most(planted):
    token = planted.tokenizer.find(toys.PLANTED_TOKEN)
    planted_recipe = Recipe("planted", (Dose(towards_token(planted, token), 0.3, (1, 1)),))
    found = measure(planted, planted.tokenize(TEXT), planted_recipe, background(planted), nulls=4)
    moved = movers(planted, found, 6)
    assert moved.labels[0] == toys.PLANTED_TOKEN
    assert moved.shift.outside[0]
    assert moved.edited[0] > 0.3 > 0.1 > moved.base[0]
    assert "more than all 4 random pushes" in verdict(found, 6)


def test_the_movers_of_a_certain_token_stay_finite(toy, measured, monkeypatch):
    sure = torch.full((5, toy.vocabulary), -200.0)
    sure[:, 3] = 200.0
    monkeypatch.setattr(toy, "read_out", lambda states: sure, raising=False)
    found = movers(toy, measured, 0)
    assert np.isfinite(found.shift.values).all()
    assert found.base.max() == 1


def test_the_shift_of_words_by_hand(toy, measured, plain):
    plus, minus = (70, 71, 75), (80, 90)
    before, after = (np.exp(each) for each in plain)
    odds = [np.log(each[:, plus].sum(-1) / each[:, minus].sum(-1)) for each in (before, after)]
    shift = word_shift(toy, measured, plus, minus)
    assert np.allclose(shift.values, odds[1] - odds[0], atol=1e-4)
    assert (shift.unit, shift.axis, shift.labels) == ("nats", "token", measured.tokens.labels)
    assert shift.nulls.shape == (3, len(measured.tokens))
    turned = word_shift(toy, measured, minus, plus)
    assert np.allclose(turned.values, -shift.values, atol=1e-5)
    assert np.allclose(turned.nulls, -shift.nulls, atol=1e-5)


def test_the_size_at_the_edited_layer_is_the_strength_over_the_states_own_norm(measured, usual):
    for position in (0, 6, 12):
        size = measured.size_by_layer(position)
        own = np.linalg.norm(measured.base.residuals()[LAYER, position])
        assert np.allclose(size.values[LAYER], STRENGTH * usual.norms[LAYER] / own, rtol=1e-4)
        assert np.allclose(size.nulls[:, LAYER], size.values[LAYER], rtol=1e-4)  # controls are as long


def test_size_and_turn_equal_their_formulas(measured):
    base = measured.base.residuals()[:, 6].astype(np.float64)
    for row in range(4):
        own = measured.edited.residuals(row)[:, 6].astype(np.float64)
        lengths = np.linalg.norm(base, axis=1)
        size, turn = measured.size_by_layer(6), measured.turn_by_layer(6)
        seen = (size.values, turn.values) if row == 0 else (size.nulls[row - 1], turn.nulls[row - 1])
        assert np.allclose(seen[0], np.linalg.norm(own - base, axis=1) / lengths, atol=1e-6)
        cosine = (own * base).sum(1) / (lengths * np.linalg.norm(own, axis=1))
        assert np.allclose(seen[1], cosine, atol=1e-6)
    assert (size.axis, size.labels) == (turn.axis, turn.labels) == ("layer", ("0", "1", "2", "3"))
    assert (turn.bounds, turn.unit) == (Bounds(-1, 1), "cosine")


def test_a_push_at_a_right_angle_turns_the_state_by_its_length(planted):
    # nothing but the unembedding uses the planted axis, so every state stands at a right angle to it
    usual = background(planted)
    along = dataclasses.replace(direction(), values=np.tile(toys.planted_direction(), (4, 1)))
    doses = (Dose(along, 10.0, (3, 3)), Dose(along, 0.0, (3, 3), "reflect"))
    found = measure(planted, planted.tokenize(TEXT), Recipe("r", doses), usual, nulls=1)
    base = np.linalg.norm(found.base.residuals()[3, 3])
    push = 10 * usual.norms[3]
    assert found.turn_by_layer(3).values[3] == pytest.approx(base / np.hypot(base, push), rel=1e-3)
    assert found.size_by_layer(3).values[3] == pytest.approx(push / base, rel=1e-3)


# laws


def test_a_divergence_is_never_negative_and_has_bits_for_a_unit(measured, tokens):
    along = measured.along_text()
    assert (measured.kl >= 0).all()
    assert measured.kl.shape == (4, len(tokens))
    assert measured.nulls == 3
    assert np.array_equal(along.values, measured.kl[0])
    assert np.array_equal(along.nulls, measured.kl[1:])
    assert (along.axis, along.labels, along.unit) == ("token", tokens.labels, "bits (KL from base)")


def test_strength_zero_changes_nothing(toy, tokens, usual):
    found = measure(toy, tokens, recipe(0.0), usual, nulls=2)
    assert np.array_equal(found.edited.values[:, 0], found.edited.values[:, 1])
    assert found.kl.max() < 1e-6
    assert verdict(found, 6).startswith("Nothing changes here")
    assert found.size_by_layer(6).values.max() < 1e-5
    assert found.turn_by_layer(6).values.min() > 1 - 1e-6


@pytest.mark.parametrize("layer", [0, 1, 3])
def test_layers_below_the_edit_carry_no_change(toy, tokens, usual, layer):
    found = measure(toy, tokens, recipe(layers=(layer, layer)), usual, nulls=2)
    size, turn = found.size_by_layer(8), found.turn_by_layer(8)
    if layer == 0:
        assert size.values.min() > 1e-3
        return
    assert not size.values[:layer].any()
    assert not size.nulls[:, :layer].any()
    assert np.allclose(turn.values[:layer], 1, atol=1e-6)
    assert size.values[layer:].min() > 1e-3


def test_tokens_before_the_edited_one_carry_no_change(toy, tokens, usual):
    found = measure(toy, tokens, recipe(positions=(7,)), usual, nulls=2)
    assert found.kl[:, :7].max() < 1e-6
    assert found.kl[:, 7].min() > 1e-3
    assert verdict(found, 3) == "Nothing changes here: the edit does not reach the next token."


@pytest.mark.parametrize("kind", ["isotropic", "covariance"])
def test_a_control_equals_the_same_random_direction_run_alone(toy, tokens, usual, kind):
    together = measure(toy, tokens, recipe(), usual, nulls=3, kind=kind, seed=8)
    for number in range(3):
        alone = measure(toy, tokens, null_recipe(recipe(), usual, kind, 8 + number), usual, nulls=0)
        assert np.abs(together.kl[1 + number] - alone.kl[0]).max() < 1e-5


def test_a_base_that_is_at_hand_is_used(toy, tokens, usual, measured):
    base = toy.run(tokens)
    found = measure(toy, tokens, recipe(), usual, base=base, nulls=3, seed=5)
    assert found.base is base
    assert np.array_equal(found.kl, measured.kl)


def test_the_same_seed_gives_the_same_controls(toy, tokens, usual, measured):
    again = measure(toy, tokens, recipe(), usual, nulls=3, seed=5)
    assert again.kl.tobytes() == measured.kl.tobytes()
    later = measure(toy, tokens, recipe(), usual, nulls=2, seed=6)  # counts on from the first seed
    assert np.abs(later.kl[1:] - measured.kl[2:]).max() < 1e-5


def test_chunks_do_not_change_a_divergence(toy, tokens, usual, measured, monkeypatch):
    monkeypatch.setattr(next_token, "rows_per_chunk", lambda vocabulary: 1)
    pieces = measure(toy, tokens, recipe(), usual, nulls=3, seed=5)
    assert np.abs(pieces.kl - measured.kl).max() < 1e-5


def test_the_rows_of_a_batch_are_base_recipe_and_controls(usual):
    rows = variants_of(recipe(), usual, nulls=2, kind="isotropic", seed=0)
    assert rows[0] == BASE
    assert [row.name for row in rows] == ["base", "edited", "random 1", "random 2"]
    assert all(row.edits[0].site == Site(LAYER) for row in rows[1:])
    assert len({row.edits[0].scale for row in rows[1:]}) == 1
    assert [row.name for row in variants_of(recipe(), usual, nulls=0, kind="isotropic", seed=0)] == [
        "base",
        "edited",
    ]


def test_provenance_names_every_dose_and_the_controls(measured, toy):
    settings = dict(measured.provenance.settings)
    assert measured.provenance.model == toy.title
    assert settings["direction 1"] == (
        "add d (made for a test), strength 0.4 of the residual norm, layers 2 to 2, positions all"
    )
    assert settings["random controls"] == "3, any direction equally likely"
    assert settings["seed"] == "5"


# erasures


def test_an_erasure_alone_is_measured_beside_random_subspaces(toy, tokens, usual):
    found = measure(toy, tokens, Recipe("erased", erasures=(erasure(),)), usual, nulls=3, seed=5)
    assert (found.nulls, found.control) == (3, "erasure")
    assert (found.kl.max(1) > 0.001).all()
    below = found.base.residuals()[:LAYER]
    assert all(np.array_equal(found.edited.residuals(row)[:LAYER], below) for row in range(4))
    settings = dict(found.provenance.settings)
    assert settings["erasure 1"] == "erase e (made for a test), rank 3, layers 2, positions all"
    assert "direction 1" not in settings
    assert found.provenance.source == f"{ERASERS['leace'].source}; {ERASERS['random'].source}"
    assert ERASERS["leace"].misleads_when in found.provenance.misleads_when
    assert "3 random erasures of the same rank" in verdict(found, len(tokens) - 1)
    assert "3 random erasures; a random erasure would see" in movers(toy, found, 4).summary()


def test_what_is_erased_and_pushed_is_named_in_full(toy, tokens, usual):
    both = dataclasses.replace(recipe(), erasures=(erasure(),))
    found = measure(toy, tokens, both, usual, nulls=2)
    assert found.control == "change"
    assert "2 random changes of the same size and rank" in verdict(found, len(tokens) - 1)
    assert list(dict(found.provenance.settings))[:2] == ["erasure 1", "direction 1"]
    assert found.provenance.source.startswith("Turner et al. 2023")
    assert ERASERS["leace"].source in found.provenance.source
    assert (
        dict(measure(toy, tokens, recipe(), usual, nulls=0).provenance.settings)
        .keys()
        .isdisjoint({"erasure 1"})
    )
    shift = word_shift(toy, found, (70,), (80,))
    assert "2 random changes (" in word_verdict(shift, 4, found.control)


def test_the_rows_of_an_erasure_all_erase(usual):
    rows = variants_of(Recipe("r", erasures=(erasure(),)), usual, nulls=2, kind="covariance", seed=0)
    assert [row.name for row in rows] == ["base", "edited", "random 1", "random 2"]
    for row in rows[1:]:
        (edit,) = row.edits
        assert isinstance(edit, Erase)
        assert (edit.site, edit.left.shape) == (Site(LAYER), (22, 3))


# beside controls


def test_the_band_of_controls_by_hand():
    nan = np.nan
    result = against([1, 2, 3, 0, 5, nan], [[0, 3, nan, 1, nan, 1], [2, 4, 4, 2, nan, 2]])
    low, high = result.band
    assert low.tolist()[:4] == [0, 3, 4, 1]
    assert high.tolist()[:4] == [2, 4, 4, 2]
    assert np.isnan(low[4])
    assert np.isnan(high[4])
    # inside; below; below; below; no control; not defined
    assert result.outside.tolist() == [False, True, True, True, False, False]


def test_a_value_on_the_edge_of_the_band_is_not_outside():
    assert against([1, 2, 2.1], [[1, 1, 1], [2, 2, 2]]).outside.tolist() == [False, False, True]


def test_without_controls_there_is_no_band_and_nothing_is_outside():
    result = against([1, 2], [])
    assert np.isnan(result.band).all()
    assert result.outside.tolist() == [False, False]


def test_a_result_beside_controls_checks_bounds_and_labels_and_cannot_be_written_to():
    with pytest.raises(AnalysisError, match=r"change lies in \[0, inf\]"):
        against([-1], [[0]])
    with pytest.raises(AnalysisError, match=r"change lies in \[0, inf\]"):
        against([1], [[-2]])
    with pytest.raises(AnalysisError, match="change has 2 entries but 1 labels"):
        against([1, 2], [[0, 0]], labels=("a",))
    for values in (against([1], [[2]]).values, against([1], [[2]]).nulls):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 3


SENTENCES = {
    "nothing": ([0.0009], [0.5, 0.6], "Nothing changes here"),
    "no controls": ([1.234], [], "The next token moves by 1.23 bits; without random controls nobody can say"),
    "above": (
        [2.0],
        [0.5, 1.5],
        r"by 2.00 bits, more than all 2 random pushes of the same size \(0.50 to 1.50 bits\)",
    ),
    "below": ([0.3], [0.5, 1.5], "by 0.30 bits, less than all 2 random pushes"),
    "within": (
        [1.0],
        [0.5, 1.5],
        r"\*\*within the band\*\* of 2 random pushes .*: as far as any push would move it",
    ),
    "on the edge": ([1.5], [0.5, 1.5], "within the band"),
}


@pytest.mark.parametrize("name", SENTENCES)
def test_the_verdict_says_whether_the_change_leaves_the_band(measured, name):
    own, nulls, sentence = SENTENCES[name]
    kl = np.array([own, *([null] for null in nulls)], np.float32)
    with_kl = dataclasses.replace(measured, kl=kl)
    said = verdict(with_kl, 0)
    assert re.search(sentence, said), said
    assert said.endswith(".")


WORDS = {
    "no controls": (0.5, [], "become likelier by 0.5 nats."),
    "within": (
        -0.2,
        [-0.5, 0.1],
        r"less likely by 0.2 nats, \*\*within the band\*\* of 2 random pushes \(-0.5 to \+0.1\)",
    ),
    "above": (
        1.0,
        [-0.5, 0.1],
        r"likelier by 1.0 nats, \*\*outside the band\*\* of 2 random pushes .* twice in 3",
    ),
    "below": (-1.0, [-0.5, 0.1], r"less likely by 1.0 nats, \*\*outside the band\*\*"),
}


@pytest.mark.parametrize("name", WORDS)
def test_the_verdict_on_words_says_where_they_move_and_whether_controls_do_too(name):
    own, nulls, sentence = WORDS[name]
    shift = dataclasses.replace(against([abs(own)], np.abs(nulls)), bounds=Bounds(None, None))
    shift = dataclasses.replace(
        shift, values=np.array([own], np.float32), nulls=np.array(nulls, np.float32).reshape(-1, 1)
    )
    said = word_verdict(shift, 0)
    assert re.search(sentence, said), said
    assert said.startswith("The words it stands for become ")
    assert said.endswith(".")


def test_movers_say_how_many_leave_the_band_and_how_many_would_by_chance():
    shift = against([5, 1, 0.1, 2], [[0, 2, 1, 2], [3, 0, 2, 2], [1, 1, 1, 2]])
    found = module.Movers(shift.labels, shift.values, shift.values, shift)
    assert found.summary() == (
        "2 of the 4 tokens leave the band of 3 random pushes; a random push would see about 2 of them outside."
    )
    alone = against([5, 1], [])
    assert "nobody can say" in module.Movers(alone.labels, alone.values, alone.values, alone).summary()


# readings beside one another


def test_targets_of_their_own_equal_single_targets_column_by_column(toy, tokens, rng):
    trace = toy.run(tokens)
    targets = rng(0).integers(0, toy.vocabulary, len(tokens)).astype(np.int32)
    together = read(toy, trace, target=targets)
    assert np.array_equal(together.targets, targets)
    for position, target in enumerate(targets):
        alone = read(toy, trace, target=int(target))
        assert np.array_equal(together.target_rank[:, position], alone.target_rank[:, position])
        assert np.array_equal(
            together.target_log_probability[:, position], alone.target_log_probability[:, position]
        )
    assert dict(together.provenance.settings)["target"] == "one given token at each position"
    own = read(toy, trace)
    given = read(toy, trace, target=own.top_ids[-1, :, 0].copy())
    assert np.array_equal(own.target_rank, given.target_rank)  # what is followed where no target is given


def test_surprise_is_the_targets_missing_probability_in_bits(toy, tokens):
    reading = read(toy, toy.run(tokens), target=70)
    surprise = reading.quantity("surprise")
    assert (surprise.unit, surprise.bounds) == ("bits", Bounds(0, None))
    assert np.allclose(2.0**-surprise.values, reading.quantity("target").values, rtol=1e-4)
    certain = dataclasses.replace(reading, target_log_probability=np.full((4, len(tokens)), 1e-7, np.float32))
    assert not certain.quantity("surprise").values.any()  # rounding above certainty is no negative surprise


def test_targets_that_cannot_be_meant_are_refused(toy, tokens):
    trace = toy.run(tokens)
    with pytest.raises(AnalysisError, match=f"2 targets were given for {len(tokens)} tokens"):
        read(toy, trace, target=np.array([1, 2], np.int32))
    for wrong in (-1, 283):
        targets = np.full(len(tokens), 5, np.int32)
        targets[4] = wrong
        with pytest.raises(AnalysisError, match=f"Token {wrong} does not exist: this vocabulary has 283"):
            read(toy, trace, target=targets)
        with pytest.raises(AnalysisError, match=f"Token {wrong} does not exist"):
            read(toy, trace, target=wrong)


def test_the_change_of_a_quantity_is_after_minus_before(toy, tokens, measured):
    before, after = (read(toy, measured.base, target=70), read(toy, measured.edited, target=70, row=0))
    for name in lens.QUANTITIES:
        result = change("Change", before.quantity(name), after.quantity(name))
        assert np.array_equal(result.values, after.quantity(name).values - before.quantity(name).values)
        assert (result.unit, result.bounds) == (before.quantity(name).unit, Bounds(None, None))
        assert not result.values[:LAYER].any() or name in (
            "kl",
            "agreement",
        )  # those compare with the last layer


def test_only_like_can_be_compared(toy, tokens):
    reading = read(toy, toy.run(tokens))
    with pytest.raises(
        AnalysisError, match=r"Only like can be compared: Entropy \(bits\) and Rank of the target"
    ):
        change("none", reading.quantity("entropy"), reading.quantity("rank"))
    shorter = read(toy, toy.run("the sea"))
    with pytest.raises(AnalysisError, match="Only like can be compared"):
        change("none", reading.quantity("entropy"), shorter.quantity("entropy"))


# contracts


REFUSED = {
    "empty": (Recipe("none", ()), {}, "The recipe is empty. Add a direction or an erasure"),
    "another model's erasure": (
        Recipe("other", erasures=(dataclasses.replace(erasure(), weights="gpt9 (1)"),)),
        {},
        "was fitted in gpt9",
    ),
    "too many controls": (recipe(), {"nulls": 33}, "0 to 32 random controls .*; given 33"),
    "fewer than none": (recipe(), {"nulls": -1}, "given -1"),
    "unknown kind": (recipe(), {"kind": "uniform"}, "'uniform' is no kind of random direction"),
    "another model": (
        Recipe("other", (Dose(dataclasses.replace(direction(), weights="gpt9 (1)"), 0.1, (1, 1)),)),
        {},
        "found in gpt9",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_measured_is_refused_in_words(toy, tokens, usual, name):
    asked, settings, sentence = REFUSED[name]
    with pytest.raises(AnalysisError, match=sentence):
        measure(toy, tokens, asked, usual, **settings)


def test_a_base_of_another_model_is_refused(toy, planted, tokens, usual):
    with pytest.raises(AnalysisError, match="read from another model"):
        measure(toy, tokens, recipe(), usual, base=planted.run(tokens))


def test_an_unknown_kind_is_refused_without_controls_too(toy, tokens, usual):
    with pytest.raises(AnalysisError, match="no kind of random direction"):
        measure(toy, tokens, recipe(), usual, nulls=0, kind="uniform")


def test_measuring_can_be_cancelled(toy, tokens, usual):
    seen = []

    def stop(message, done=0, total=None):
        seen.append(message)
        if message.startswith("Comparing"):
            raise Cancelled

    with pytest.raises(Cancelled):
        measure(toy, tokens, recipe(), usual, report=stop)
    assert len(seen) == 3
