"""How robust: typing errors that say what they do, views of noisy texts, and three measures of what stays."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.corpora import Corpus
from analysis.edits import Ablate, Site
from analysis.errors import AnalysisError
from analysis.geometry.invariance import dime, infonce, lidar, similarities, view_cosines
from analysis.geometry.measures.robust import ROBUST
from analysis.geometry.noise import KINDS, NEIGHBOURS, WORD, noisy, slip, split, substitute
from analysis.geometry.views import FAR, Views, read_views, standard_normal_views
from analysis.jobs import silent
from analysis.knobs import require_in_range

MEASURES = {each.id: each for each in ROBUST}
seeds = st.integers(0, 2**31 - 1)
TEXT = "The quick brown foxes, jumping over lazy dogs: they were 12 of them!"
LONG_WORDS = ["quick", "brown", "foxes", "jumping", "over", "lazy", "dogs", "they", "were", "them"]


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def rotation(seed: int, width: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(width, width)))[0].astype(np.float32)


def twice(states: np.ndarray, noise: float = 0.0, copies: int = 2, seed: int = 1) -> np.ndarray:
    """The same states as every view, with noise of their own."""
    return (states[:, None] + noise * normal(seed, len(states), copies, states.shape[1])).astype(np.float32)


def views(values: np.ndarray) -> Views:
    """One layer of hand-made views."""
    count, copies, _ = values.shape
    examples = tuple(tuple(f"text {row} copy {copy}" for copy in range(copies)) for row in range(count))
    return Views("hand-made", (4,), values[None].astype(np.float32), "key", examples)


# noise


def test_words_are_runs_of_four_letters_or_more():
    assert WORD.findall(TEXT) == LONG_WORDS


def test_noise_is_the_same_for_the_same_text_copy_and_seed_and_other_otherwise():
    found = {noisy(text, copy, seed=seed) for text in (TEXT, TEXT[:-1]) for copy in (0, 1) for seed in (0, 1)}
    assert len(found) == 8
    assert noisy(TEXT, 1, seed=1) == noisy(TEXT, 1, seed=1)


def test_no_rate_is_no_noise():
    assert noisy(TEXT, 0, rate=0) == TEXT == noisy(TEXT, 3, kinds=())


@settings(max_examples=25)
@given(st.integers(0, 500))
def test_splitting_adds_spaces_inside_words_only(copy):
    found = noisy(TEXT, copy, rate=1, kinds=("split",))
    assert found.replace(" ", "") == TEXT.replace(" ", "")
    assert found.count(" ") == TEXT.count(" ") + len(LONG_WORDS)
    assert "  " not in found


@settings(max_examples=25)
@given(st.integers(0, 500), st.sampled_from(["substitute", "slip"]), st.sampled_from([0.1, 0.3, 0.5, 1.0]))
def test_a_mistyped_letter_changes_one_place_of_each_word_that_is_hit(copy, kind, rate):
    found = noisy(TEXT, copy, rate=rate, kinds=(kind,))
    assert len(found) == len(TEXT)
    changed = [at for at, (old, new) in enumerate(zip(TEXT, found, strict=True)) if old != new]
    hit = {
        word.start() for word in re.finditer(WORD, TEXT) for at in changed if word.start() <= at < word.end()
    }
    assert len(hit) == len(changed) == max(1, round(rate * len(LONG_WORDS)))


def test_a_slip_lands_on_a_neighbouring_key():
    assert set(NEIGHBOURS["g"]) == set("fhtyvb")
    assert set(NEIGHBOURS["q"]) == set("wa") and set(NEIGHBOURS["m"]) == set("njk")
    assert all(letter in NEIGHBOURS[other] for letter in NEIGHBOURS for other in NEIGHBOURS[letter])
    random = np.random.default_rng(0)
    assert {slip("gggg", random).replace("g", "") for _ in range(200)} == set("fhtyvb")


def test_letters_keep_their_case_and_never_stay():
    random = np.random.default_rng(0)
    for change in (substitute, slip):
        for _ in range(200):
            found = change("WORD", random)
            assert found != "WORD" and found.isupper()
    assert {split("ab", random) for _ in range(9)} == {"a b"}


def test_other_scripts_are_split_and_have_no_slips():
    text = "большие белые медведи"
    assert noisy(text, 0, kinds=("slip",), rate=1) == text
    assert noisy(text, 0, kinds=("split",), rate=1).replace(" ", "") == text.replace(" ", "")
    assert noisy("1234 5678 a of it", 0) == "1234 5678 a of it"


@pytest.mark.parametrize("wrong", [{"rate": 1.5}, {"rate": -0.1}, {"kinds": ("typo",)}])
def test_noise_that_does_not_exist_is_refused(wrong):
    with pytest.raises(AnalysisError, match="split, substitute, slip"):
        noisy(TEXT, 0, **wrong)


# InfoNCE


@pytest.mark.parametrize("count, tau", [(200, 0.1), (40, 0.5)])
def test_identical_orthonormal_views_have_the_loss_that_can_be_written_down(count, tau):
    found = infonce(twice(np.eye(count, dtype=np.float32)), tau)
    assert found.loss == pytest.approx(np.log(1 + 2 * (count - 1) * np.exp(-1 / tau)), abs=1e-9)
    assert found.bound == pytest.approx(np.log(2 * count - 1) - found.loss) and found.found == 1


def test_unrelated_views_are_at_chance():
    found = infonce(normal(0, 1000, 2, 576))
    assert found.loss == pytest.approx(np.log(1999) + 1 / (2 * 576 * 0.1**2), abs=0.02)
    assert found.loss == pytest.approx(7.665, abs=0.03) and found.found < 0.01


@settings(max_examples=25)
@given(seeds, st.sampled_from([0.05, 0.1, 1.0]))
def test_infonce_is_the_sum_that_its_formula_says(seed, tau):
    given_ = twice(normal(seed, 7, 5), 0.7, seed=seed + 1)
    rows = [row / np.linalg.norm(row) for row in given_.astype(float).transpose(1, 0, 2).reshape(14, 5)]
    terms = []
    for anchor in range(14):
        share = {other: np.exp(rows[anchor] @ rows[other] / tau) for other in range(14) if other != anchor}
        terms.append(-np.log(share[(anchor + 7) % 14] / sum(share.values())))
    found = infonce(given_, tau)
    assert found.loss == pytest.approx(np.mean(terms), rel=1e-9)
    assert found.bound <= np.log(13)


@settings(max_examples=25)
@given(seeds)
def test_infonce_ignores_rotation_scale_and_the_order_of_texts(seed):
    given_ = twice(normal(seed, 9, 6), 0.5, seed=seed + 1)
    order = np.random.default_rng(seed).permutation(9)
    other = (40 * given_ @ rotation(seed, 6))[order]
    assert infonce(other).loss == pytest.approx(infonce(given_).loss, abs=1e-3)


def test_a_common_mean_hides_what_centring_shows():
    given_ = twice(normal(0, 60, 30), 0.3)
    moved = given_ + 20
    assert infonce(given_).bound > 4 and infonce(moved).bound < 0.2
    assert infonce(moved, centred=True).bound == pytest.approx(infonce(given_, centred=True).bound, abs=1e-3)
    assert infonce(given_, centred=True).bound > 4


def test_a_state_of_zeros_has_no_cosine():
    given_ = normal(0, 5, 2, 4)
    given_[3, 1] = 0
    for call in (infonce, view_cosines, lambda each: dime(each, "linear")):
        with pytest.raises(AnalysisError, match="zero"):
            call(given_)


# DiME


@pytest.mark.parametrize("kernel", ["linear", "gaussian"])
def test_views_of_the_same_texts_gain_more_the_less_noise_there_is(kernel):
    states = normal(0, 200, 20)
    none, some, much = (dime(twice(states, noise), kernel).gain for noise in (0.0, 0.5, 1.0))
    independent = dime(normal(3, 200, 2, 20), kernel)
    assert none > some > much > abs(independent.gain)
    assert abs(independent.gain) < 0.01 and independent.spread < 0.01


def test_dime_has_the_size_that_was_measured():
    states = normal(0, 200, 20)
    assert dime(twice(states), "linear").gain == pytest.approx(0.28, abs=0.03)
    assert dime(twice(states, 1.0), "linear").gain == pytest.approx(0.036, abs=0.04)


def entropy(matrix: np.ndarray) -> float:
    eigenvalues = np.linalg.eigvalsh(matrix / np.trace(matrix))
    eigenvalues = eigenvalues[eigenvalues > 1e-15]
    return float(-(eigenvalues * np.log(eigenvalues)).sum())


@pytest.mark.parametrize("kernel", ["linear", "gaussian"])
def test_dime_is_the_difference_that_its_formula_says(kernel):
    given_ = twice(normal(0, 15, 6), 0.4)
    first, second = (similarities(given_[:, view], kernel) for view in (0, 1))
    random = np.random.default_rng(5)
    shuffled = []
    for _ in range(10):
        swap = np.eye(15)[random.permutation(15)]
        shuffled.append(entropy(first * (swap @ second @ swap.T)))
    found = dime(given_, kernel, seed=5)
    assert found.gain == pytest.approx(np.mean(shuffled) - entropy(first * second), abs=1e-9)
    assert found.spread == pytest.approx(np.std(shuffled), abs=1e-9)
    assert dime(given_, kernel, seed=5) == found != dime(given_, kernel, seed=6)


def test_similarities_are_one_with_themselves_and_by_hand():
    states = np.array([[0, 0], [3, 4], [6, 8], [0, 5]], np.float32)
    distances = np.linalg.norm(states[:, None] - states[None], axis=-1)
    median = np.median(distances[~np.eye(4, dtype=bool)] ** 2)
    assert similarities(states, "gaussian") == pytest.approx(np.exp(-(distances**2) / (2 * median)))
    cosines = similarities(states[1:], "linear")
    assert cosines == pytest.approx(np.array([[1, 1, 0.8], [1, 1, 0.8], [0.8, 0.8, 1]]))
    with pytest.raises(AnalysisError, match="gaussian and linear"):
        similarities(states, "cosine")
    with pytest.raises(AnalysisError, match="coincide"):
        similarities(np.ones((6, 3), np.float32), "gaussian")


@settings(max_examples=25)
@given(seeds)
def test_distances_ignore_a_shift_and_cosines_do_once_centred(seed):
    given_ = twice(normal(seed, 12, 6), 0.5, seed=seed + 1)
    moved = given_ + 3
    assert dime(moved).gain == pytest.approx(dime(given_).gain, abs=1e-4)
    centred = [dime(each, "linear", centred=True).gain for each in (given_, moved)]
    assert centred[0] == pytest.approx(centred[1], abs=1e-4)


# LiDAR


def reference(given_: np.ndarray, delta: float) -> float:
    """Scatter matrices as in the paper, with the symmetric root of the inverse."""
    wide = given_.astype(float)
    count, copies, width = wide.shape
    means = wide.mean(1)
    between, within = np.zeros((width, width)), np.zeros((width, width))
    for text in range(count):
        away = means[text] - wide.mean((0, 1))
        between += np.outer(away, away) / count
        for copy in range(copies):
            noise = wide[text, copy] - means[text]
            within += np.outer(noise, noise) / (count * copies)
    values, vectors = np.linalg.eigh(within + delta * np.eye(width))
    root = vectors @ np.diag(values**-0.5) @ vectors.T
    eigenvalues = np.maximum(np.linalg.eigvalsh(root @ between @ root), 0)
    shares = eigenvalues / eigenvalues.sum()
    return float(np.exp(-(shares[shares > 0] * np.log(shares[shares > 0])).sum()))


@pytest.mark.parametrize("shape", [(20, 4, 9), (7, 3, 12), (9, 2, 9)])
@pytest.mark.parametrize("delta", [1e-4, 0.3])
def test_lidar_is_the_papers_formula(shape, delta):
    given_ = twice(normal(0, shape[0], shape[2]), 0.6, copies=shape[1])
    assert lidar(given_, delta, relative=False).rank == pytest.approx(reference(given_, delta), rel=1e-6)


@pytest.mark.parametrize("relative", [True, False])
def test_texts_along_axes_of_their_own_have_one_direction_less_than_their_number(relative):
    states = np.eye(64, dtype=np.float32)[:33]
    assert lidar(twice(states, copies=4), relative=relative).rank == pytest.approx(32, abs=1e-3)
    noisy_ = lidar(twice(states, 1e-3, copies=4), relative=relative).rank
    assert 31 < noisy_ < 32


def test_pure_noise_has_a_high_rank_too():
    noise = lidar(normal(0, 33, 8, 64)).rank
    assert 18 < noise < 32
    line = np.outer(np.linspace(-3, 3, 33), normal(1, 64)).astype(np.float32)
    assert lidar(twice(line, 0.01, copies=8)).rank < 1.1


def test_lidar_counts_the_directions_that_stand_out_of_the_noise():
    plane = np.zeros((200, 30), np.float32)
    plane[:, :5] = normal(0, 200, 5) * 50
    assert lidar(twice(plane, 1.0, copies=4)).rank == pytest.approx(5, abs=0.2)


@settings(max_examples=25)
@given(seeds)
def test_lidar_ignores_rotation_shift_and_scale_unless_delta_is_absolute(seed):
    given_ = twice(normal(seed, 12, 6), 0.4, copies=3, seed=seed + 1)
    other = (50 * given_ @ rotation(seed, 6) + 9).astype(np.float32)
    assert lidar(other, 0.5).rank == pytest.approx(lidar(given_, 0.5).rank, rel=1e-3)
    assert abs(lidar(other, 0.5, relative=False).rank - lidar(given_, 0.5, relative=False).rank) > 1e-3


def test_lidar_says_how_well_the_noise_is_known():
    assert lidar(normal(0, 10, 4, 60)).freedom == pytest.approx(0.5)
    with pytest.raises(AnalysisError, match="equal"):
        lidar(np.ones((5, 3, 4), np.float32))


# cosines


def test_cosines_of_a_texts_own_views_are_the_diagonal():
    given_ = np.array([[[1, 0], [1, 1]], [[0, 2], [0, -1]]], np.float32)
    found = view_cosines(given_)
    assert found.same == pytest.approx([0.5**0.5, -1])
    assert found.other == pytest.approx(np.array([[0.5**0.5, 0], [0.5**0.5, -1]]))
    moved = view_cosines(given_ + 7, centred=True)
    assert moved.same == pytest.approx(view_cosines(given_, centred=True).same, abs=1e-5)


# reading


def corpus(*texts: str) -> Corpus:
    return Corpus("c", "some texts", texts)


SENTENCES = (
    "a small boat sails home",
    "seven grey stones lie there",
    "nothing else ever matters",
    "water runs down slowly",
)


@pytest.fixture(scope="module")
def read(toy, tmp_path_factory):
    """`read(...)`: views of the four sentences, kept in a store of their own."""
    place = tmp_path_factory.mktemp("store")

    def reading(texts=SENTENCES, **how):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("BATHYSCOPE_HOME", str(place))
            return read_views(toy, corpus(*texts), **({"copies": 3} | how))

    return reading


def test_views_are_mean_states_of_the_noisy_copies_without_their_first_token(toy, read):
    found = read()
    assert found.values.shape == (toy.n_layers + 1, 4, 3, toy.d_model) and len(found) == 4
    assert found.originals == SENTENCES and found.left_out == 0 and found.copies == 3
    for row, own in enumerate(found.examples):
        assert own == tuple(noisy(SENTENCES[row], copy) for copy in range(3))
    for row, copy in ((0, 0), (2, 1), (3, 2)):
        trace = toy.run(found.examples[row][copy])
        for layer in found.layers:
            expected = trace.at(Site(layer), 0)[1:].mean(0)
            assert found.at(layer)[row, copy] == pytest.approx(expected, abs=1e-5)


def test_the_same_request_reads_the_same_views_and_another_does_not(read):
    first, again = read(), read()
    assert first.key == again.key and (first.values == again.values).all()
    keys = {read(**how).key for how in ({}, {"seed": 1}, {"rate": 1.0}, {"kinds": ("split",)}, {"copies": 2})}
    assert len(keys) == 5 and first.key in keys


def test_some_layers_and_edited_copies(toy, read):
    plain = read(layers=(1, 3))
    assert plain.layers == (1, 3)
    axis = np.eye(toy.d_model, dtype=np.float32)[4]
    edited = read(layers=(1, 3), edits=(Ablate(Site(3), axis),))
    assert (edited.at(1) == plain.at(1)).all()
    assert edited.at(3)[..., 4] == pytest.approx(0, abs=1e-5) and np.abs(plain.at(3)[..., 4]).max() > 0.01
    with pytest.raises(AnalysisError, match="Layer 2"):
        plain.at(2)


def test_texts_are_cut_before_noise_is_added_and_come_once(toy, read):
    found = read((SENTENCES[0], SENTENCES[1], SENTENCES[0]), length=10, rate=0.0)
    assert len(found) == 2
    assert all(len(toy.tokenize(own)) == 10 for own in found.originals)
    assert all(
        copy == own for own, copies in zip(found.originals, found.examples, strict=True) for copy in copies
    )


def test_of_many_texts_some_are_drawn(read):
    few = read(most=2)
    assert len(few) == 2 and set(few.originals) < set(SENTENCES)
    assert read(most=2).originals == few.originals


def test_copies_of_dealt_tokens_have_nothing_in_common(read):
    texts = tuple(f"{word} " * 6 for word in ("zzzzz", "mmmmm", "bbbbb", "qqqqq", "ccccc", "ttttt"))
    own, dealt = (infonce(read(texts, deal=deal).at(1), centred=True) for deal in (None, 0))
    assert own.found > 0.9 and own.bound > dealt.bound + 1
    assert read(texts, deal=0).key != read(texts, deal=1).key != read(texts).key


def test_texts_with_a_copy_of_a_single_token_are_left_out(toy, read, monkeypatch):
    lone = "a"
    assert len(toy.tokenize(lone)) == 1
    found = read((SENTENCES[0], lone, SENTENCES[1]))
    assert found.originals == (SENTENCES[0], SENTENCES[1]) and found.left_out == 1
    assert found.values.shape[1] == len(found.examples) == 2
    with pytest.raises(AnalysisError, match="None of 1 texts"):
        read((lone,))


def test_texts_whose_mean_state_is_far_longer_are_left_out(toy, read, monkeypatch):
    from analysis.captures import States

    def captured(model, given_, spot, **how):
        values = np.ones((2, len(given_), 5), np.float32)
        values[1, 4] *= 1.5 * FAR  # the second copy of the second text
        values[0, 0] *= 0.9 * FAR
        return States((0, 1), values, "key")

    monkeypatch.setattr("analysis.geometry.views.capture", captured)
    texts = tuple(f"{sentence} {number}" for sentence in SENTENCES for number in (1, 2))
    found = read(texts)
    assert found.originals == (texts[0], *texts[2:]) and found.left_out == 1
    assert found.values.shape[1] == 7 and read(texts[:7]).left_out == 0


def test_progress_is_told_and_wrong_requests_are_refused(toy, read):
    said = []
    read(("another sentence here",) * 1, report=lambda message, done=0, total=None: said.append(message))
    assert said[0] == "Mistyping texts" and "Reading texts" in said
    for wrong in ({"copies": 1}, {"length": 1}):
        with pytest.raises(AnalysisError, match="at least 2"):
            read(**wrong, report=silent)


# every measure


@pytest.mark.parametrize("measure", ROBUST, ids=lambda each: each.id)
def test_every_measure_prefers_views_of_the_same_texts_to_unrelated_ones(measure):
    states = normal(0, 60, 40) * np.geomspace(3, 0.05, 40).astype(np.float32)
    given_ = views(twice(states, 0.2, copies=4))
    null = standard_normal_views(given_)
    assert null.values.shape == given_.values.shape and null.layers == (4,)
    params = measure.params()
    require_in_range(params)
    found, nothing = (measure.at(each, 4, params) for each in (given_, null))
    for each in (found, nothing):
        assert np.isfinite(each.value) and all(np.isfinite(list(each.beside.values())))
        measure.bounds.require(np.array([each.value]), measure.title)
    assert measure.at(given_, 4, params).value == found.value
    if measure.id != "lidar":  # a rank, not a ratio of signal to noise
        assert found.value > nothing.value + 0.1
    assert measure.reads == "views" and measure.question == "robust" and measure.needs(given_, params) == ""
    told = (
        measure.title,
        measure.meaning,
        measure.formula,
        measure.source,
        measure.misleads_when,
        measure.unit,
    )
    assert all(told)


def test_lidar_uses_all_copies_and_the_others_two():
    given_ = twice(normal(0, 30, 12), 0.5, copies=4)
    changed = given_.copy()
    changed[:, 2:] = normal(9, 30, 2, 12)
    for id, same in (("infonce", True), ("dime", True), ("lidar", False)):
        measure = MEASURES[id]
        pair = [measure.at(views(each), 4, measure.params()).value for each in (given_, changed)]
        assert (pair[0] == pair[1]) is same


def test_knobs_reach_their_measures():
    given_ = views(twice(normal(0, 30, 12), 0.5, copies=3) + 4)
    for id, turned in (
        ("infonce", {"tau": 1.0}),
        ("infonce", {"centred": False}),
        ("dime", {"kernel": "linear"}),
        ("dime", {"most": 20}),
        ("lidar", {"delta": 1.0}),
        ("lidar", {"relative": False}),
    ):
        params = MEASURES[id].params()
        changed = MEASURES[id].at(given_, 4, replace(params, **turned)).value
        assert changed != MEASURES[id].at(given_, 4, params).value, turned


def test_too_few_texts_or_copies_are_refused_in_words():
    for measure in ROBUST:
        assert "2 copies of 2 texts" in measure.needs(views(normal(0, 2, 2, 5)), measure.params())
        assert "1 copies of 9 texts" in measure.needs(views(normal(0, 9, 1, 5)), measure.params())


def test_the_gaussian_null_is_what_is_said_of_it():
    null = standard_normal_views(views(np.zeros((300, 2, 200), np.float32)))
    contrast = infonce(null.at(4))
    assert contrast.bound == pytest.approx(-1 / (2 * 200 * 0.1**2), abs=0.12)
    assert dime(null.at(4)).gain == pytest.approx(0, abs=0.005)
    assert set(KINDS) == {"split", "substitute", "slip"}
