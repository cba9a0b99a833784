"""Semi-nonnegative factors: the updates of their paper, exact on exact data, and a dictionary like any other."""

import numpy as np
import pytest
import torch
from scipy.optimize import nnls

from analysis.data import corpus
from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.site_states import drawn_windows, explained, site_states
from analysis.dictionaries.without_training.factors import Factors, random_factors, semi_nonnegative, snmf
from analysis.dictionaries.without_training.fitting import Plan, alike, fit_without_training
from analysis.dictionaries.written import written
from analysis.edits import Site
from analysis.errors import AnalysisError

SITE = Site(1, "neurons")


def exact(rng, points=600, rank=6, width=60, seed=0):
    """States that are sparse nonnegative sums of a few factors, and these."""
    amounts = rng(seed).random((points, rank)) * (rng(seed + 1).random((points, rank)) < 0.3)
    factors = rng(seed + 2).standard_normal((rank, width))
    return (amounts @ factors).astype(np.float32), factors.astype(np.float32)


def reference(states, g, steps):
    """Errors of the published updates, written from the paper in its own letters, in float64."""
    a, errors = states.T.astype(np.float64), []
    for _ in range(steps):
        f = a @ g @ np.linalg.inv(g.T @ g + 1e-10 * np.mean(np.diag(g.T @ g)) * np.eye(g.shape[1]))
        errors.append(np.square(a - f @ g.T).sum() / np.square(a).sum())
        p, q = a.T @ f, f.T @ f
        parts = [((np.abs(each) + each) / 2, (np.abs(each) - each) / 2) for each in (p, q)]
        (p_up, p_down), (q_up, q_down) = parts
        g = g * np.sqrt((p_up + g @ q_down) / (p_down + g @ q_up))
    return errors


@pytest.mark.parametrize("start", ["means", "axes"])
def test_exact_data_of_rank_6_are_rebuilt(rng, start):
    states, _ = exact(rng)
    fit = semi_nonnegative(states, 6, start=start, most=300, tolerance=0)
    assert fit.errors[0] ** 0.5 > 0.4
    assert fit.errors[-1] ** 0.5 < 0.007
    assert (fit.activations >= 0).all()


def test_planted_groups_of_neurons_are_found_by_winner_takes_all(rng):
    amounts = rng(0).random((600, 6)) * (rng(1).random((600, 6)) < 0.2)
    groups = np.zeros((6, 60))
    for number, row in enumerate(groups):
        row[rng(50 + number).permutation(60)[:6]] = 2 * rng(9 + number).choice([-1, 1], 6) + rng(
            number
        ).random(6)
    states = (amounts @ groups + 0.02 * rng(7).standard_normal((600, 60))).astype(np.float32)
    given = groups.astype(np.float32)
    assert alike(given, semi_nonnegative(states, 6, keep=0.1, tolerance=0).factors).min() > 0.99
    random = rng(3).standard_normal((6, 60)).astype(np.float32)
    assert alike(given, random).max() < 0.5


def test_the_error_never_rises(rng):
    noisy = (exact(rng)[0] + 0.3 * rng(9).standard_normal((600, 60))).astype(np.float32)
    errors = semi_nonnegative(noisy, 8, most=120, tolerance=0).errors
    assert np.diff(errors).max() <= 1e-6
    assert errors[-1] < 0.8 * errors[0]


def test_it_takes_the_steps_of_the_published_updates(rng):
    states, _ = exact(rng, points=80, width=20)
    noisy = (states + 0.1 * rng(5).standard_normal(states.shape)).astype(np.float32)
    steps = 12
    fit = semi_nonnegative(noisy, 4, start="axes", most=steps - 1, tolerance=0)
    half = np.linalg.eigh(noisy.T.astype(np.float64) @ noisy)[1][:, ::-1][:, :2]
    half *= np.sign(half[np.abs(half).argmax(0), [0, 1]])
    along = noisy @ half
    begun = np.stack([np.maximum(along, 0), np.maximum(-along, 0)], 2).reshape(len(noisy), 4)
    assert fit.errors == pytest.approx(reference(noisy, begun + 0.01 * begun.mean(), steps), rel=1e-3)


def test_the_reported_error_is_that_of_the_factors(rng):
    states, _ = exact(rng)
    fit = semi_nonnegative(states, 4, most=30)
    left = np.square(states - fit.activations @ fit.factors).sum() / np.square(states).sum()
    assert fit.errors.min() == pytest.approx(left, rel=1e-3)


def test_factors_have_length_1_and_those_that_hold_most_come_first(rng):
    fit = semi_nonnegative(exact(rng)[0], 6)
    assert np.linalg.norm(fit.factors, axis=1) == pytest.approx(np.ones(6), abs=1e-5)
    held = np.square(fit.activations).sum(0)
    assert (np.diff(held) <= 0).all()


def test_winner_takes_all_keeps_so_many_entries_of_each_factor(rng):
    fit = semi_nonnegative(exact(rng)[0], 6, keep=0.1, most=40)
    assert ((fit.factors != 0).sum(1) == 6).all()


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_encoding_is_nonnegative_least_squares(rng, shift):
    rows = rng(0).standard_normal((40, 90)).astype(np.float32) + np.float32(shift)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    made = Factors("planted", SITE, rows, np.zeros(90, np.float32))
    states = rng(1).standard_normal((30, 90)).astype(np.float32)
    best = np.array([nnls(rows.T.astype(np.float64), each.astype(np.float64))[0] for each in states])
    found = made.encode(torch.from_numpy(states)).numpy()
    assert found == pytest.approx(best, abs=1e-4)
    assert ((found > 0) == (best > 0)).mean() > 0.999


def test_a_state_is_encoded_alike_alone_and_among_others(rng):
    made = snmf(exact(rng)[0], SITE, 6)
    states = torch.from_numpy(exact(rng, seed=20)[0])
    assert made.encode(states[7:8]).numpy() == pytest.approx(made.encode(states)[7:8].numpy(), abs=1e-5)


def test_states_made_of_the_factors_are_told_by_them(rng):
    made = snmf(exact(rng)[0], SITE, 6)
    amounts = torch.tensor(rng(3).random((20, 6)), dtype=torch.float32)
    states = made.decode(amounts)
    assert made.encode(states).numpy() == pytest.approx(amounts.numpy(), abs=1e-3)
    assert made.encode(torch.zeros(2, 60)).abs().max() == 0


def test_only_other_streams_lose_their_mean(rng):
    states = exact(rng)[0] + np.float32(3)
    assert np.abs(snmf(states, SITE, 4, most=20).bias).max() == 0
    assert snmf(states, Site(1), 4, most=20).bias == pytest.approx(states.mean(0), abs=1e-4)


def test_it_is_a_dictionary_whose_features_can_be_written(toy, rng):
    rows = rng(0).standard_normal((3, toy.n_neurons)).astype(np.float32)
    made = Factors("three", SITE, rows, np.zeros(toy.n_neurons, np.float32), toy.title)
    assert isinstance(made, Dictionary) and not made.signed
    made.require_fit(toy)
    one, two = written(toy, made, [0]), written(toy, made, [1])
    both = Factors("sum", SITE, rows[:1] + rows[1:2], made.bias.copy(), toy.title)
    assert written(toy, both)[0] == pytest.approx((one + two)[0], abs=1e-4)
    with pytest.raises(AnalysisError, match="made for another"):
        Factors("other", SITE, rows.copy(), made.bias.copy(), "another").require_fit(toy)


def test_spoilt_factors_and_impossible_counts_are_refused(rng):
    states, _ = exact(rng, points=50, width=20)
    with pytest.raises(AnalysisError, match="1 to 19 factors; given 20"):
        semi_nonnegative(states, 20)
    with pytest.raises(AnalysisError, match="given 0"):
        semi_nonnegative(states, 3, keep=0.0)
    with pytest.raises(AnalysisError, match="All states are zero"):
        semi_nonnegative(np.zeros((30, 8), np.float32), 2)
    with pytest.raises(AnalysisError, match="not finite"):
        Factors("spoilt", SITE, np.full((2, 3), np.nan, np.float32), np.zeros(3, np.float32))


@pytest.mark.parametrize(
    ("way", "site"), [("pca", Site(2)), ("ica", Site(2)), ("snmf", Site(2, "neurons")), ("snmf", Site(2))]
)
def test_every_way_beats_random_directions_on_held_out_text(toy, way, site):
    made = fit_without_training(
        toy, Plan(way, site, 6, tokens=4_000), corpus.documents()[:40], named="samples"
    )
    assert made.random < made.explained <= made.principal + 0.02
    assert made.card["quality"]["explained_variance"] == made.explained
    assert made.dictionary.site == site and made.dictionary.features == 6
    assert 0 <= made.stable <= 1 and made.tokens > made.card["training_tokens"]
    again = fit_without_training(toy, made.plan, corpus.documents()[:40], named="samples")
    assert again.dictionary.fingerprint == made.dictionary.fingerprint


def test_no_text_is_on_both_sides(toy):
    texts = [f"{letter} " * 200 for letter in "abcdefghijkl"]
    read = site_states(toy, Site(0), texts, most=10**6)
    held, others = (
        {tuple(row) for row in np.round(side, 3).tolist()} for side in (read.held_out, read.fitted)
    )
    assert len(held) == 2 and len(held & others) == 1  # a letter that is read nowhere else, and the space
    assert read.together + read.left_out == sum(len(toy.tokenize(text)) for text in texts)


def test_few_tokens_come_from_many_texts(toy):
    texts = [f"{letter} " * 400 for letter in "abcdefghijkl"]
    drawn = drawn_windows(toy, texts, 10 * 127, 0)
    assert len(drawn) == len({text for text, _ in drawn}) >= 10
    again = drawn_windows(toy, texts, 10**9, 0)
    assert sum(len(window) for _, window in again) == sum(len(toy.tokenize(text)) for text in texts)


def test_the_mean_explains_nothing_and_the_states_everything(rng):
    states = rng(0).standard_normal((50, 4)).astype(np.float32)
    mean = states.mean(0)
    assert explained(states, np.tile(mean, (50, 1)), mean) == pytest.approx(0)
    assert explained(states, states, mean) == 1


def test_random_factors_are_as_many_and_as_long(rng):
    made = snmf(exact(rng)[0], SITE, 6)
    other = random_factors(made, 0)
    assert other.decoder.shape == made.decoder.shape
    assert np.linalg.norm(other.decoder, axis=1) == pytest.approx(np.ones(6), abs=1e-5)


def test_too_little_text_is_refused(toy):
    with pytest.raises(AnalysisError, match="tokens that count"):
        fit_without_training(toy, Plan("pca", Site(1), 3), ["a short text of a few words"])
