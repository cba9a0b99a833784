"""Figures of quality: their values for the mean, for everything and for nothing, and what they are compared with."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from analysis.dictionaries.dictionary import SparseDictionary
from analysis.dictionaries.encoders import JumpRelu, Linear, TopK
from analysis.dictionaries.quality import (
    Constant,
    Losses,
    Rebuild,
    longest_usual,
    quality,
    rebuilt,
)
from analysis.dictionaries.site_states import explained
from analysis.edits import Site, Variant
from analysis.errors import AnalysisError
from analysis.next_token import surprises
from tests.planted import a_dictionary

SITE = Site(2)


@pytest.fixture
def windows(toy):
    return [toy.tokenize(f"{number} ships sailed over the old sea at night") for number in range(7)]


def states(toy, windows) -> np.ndarray:
    return np.concatenate([toy.run(window, read=[SITE]).at(SITE)[1:] for window in windows])


def axes(toy, windows, shrink: float = 1.0) -> SparseDictionary:
    """All coordinates about the mean: everything is rebuilt."""
    mean = states(toy, windows).mean(0)
    eye = np.eye(toy.d_model, dtype=np.float32)
    return SparseDictionary(
        "axes", SITE, Linear(), eye.copy(), np.zeros(toy.d_model, np.float32), shrink * eye, mean, toy.title
    )


def test_explained_variance_by_hand():
    x = np.array([[0.0, 0.0], [2.0, 0.0], [4.0, 6.0]])
    assert explained(x, x) == 1
    assert explained(x, np.repeat(x.mean(0)[None], 3, 0)) == 0
    made = x.copy()
    made[2, 1] = 3.0  # 9 of 8 + 24
    assert explained(x, made) == pytest.approx(1 - 9 / 32)
    assert explained(x, x * 0) == pytest.approx(1 - 56 / 32)
    assert explained(x, x * 0, np.zeros(2)) == 0  # against another mean: 1 - 56 / 56


def test_one_outlier_does_not_hide_behind_per_token_ratios(rng):
    """All tokens together: an outlier that is rebuilt explains nearly all of the variance."""
    x = np.concatenate([rng(0).standard_normal((50, 4)), [[100.0, 0, 0, 0]]])
    made = np.repeat(x[:50].mean(0)[None], 51, 0)
    made[50] = x[50]
    assert explained(x, made) > 0.9


def test_the_mean_explains_nothing_and_everything_costs_nothing(toy, windows):
    found = quality(toy, axes(toy, windows), windows)
    assert found.explained == pytest.approx(1, abs=1e-6)
    assert found.increase == pytest.approx(0, abs=1e-5)
    assert (found.l0, found.dead, found.dense) == (toy.d_model, 0, 1)
    assert found.cosine == pytest.approx(1, abs=1e-5) and found.shrinkage == pytest.approx(1, abs=1e-5)
    x = states(toy, windows)
    assert explained(x, rebuilt(Constant(x.mean(0)), x)) == pytest.approx(0, abs=1e-6)


def test_zero_in_place_of_states_recovers_nothing(toy, windows):
    silent = a_dictionary(toy, kind=JumpRelu(np.full(41, 1e6, np.float32)))
    found = quality(toy, silent, windows)
    assert found.increase == pytest.approx(found.zero, abs=1e-6)
    assert (found.l0, found.dead) == (0, 1)


def test_the_share_recovered_by_hand(toy, windows):
    """Nothing lost is everything recovered, as much lost as zero states cost is nothing; half lies between."""
    found = replace(quality(toy, a_dictionary(toy), windows), zero=8.0, mean=2.0)
    assert [replace(found, increase=lost).recovered_zero for lost in (0.0, 4.0, 8.0)] == [1, 0.5, 0]
    assert [replace(found, increase=lost).recovered_mean for lost in (0.0, 1.0, 2.0)] == [1, 0.5, 0]


def test_no_share_is_recovered_of_a_loss_that_nothing_costs(toy, windows):
    found = replace(quality(toy, a_dictionary(toy), windows), zero=-0.1, mean=0.0)
    assert found.recovered_zero is None and found.recovered_mean is None
    assert "no share of the loss" in " ".join(found.lines())


def test_shrunken_activations_are_told(toy, windows):
    found = quality(toy, axes(toy, windows, shrink=0.5), windows)
    assert found.shrinkage == pytest.approx(0.5, abs=1e-4)
    assert found.explained == pytest.approx(0.75, abs=1e-4)
    assert found.cosine == pytest.approx(1, abs=1e-4)


def test_losses_are_those_of_runs_with_the_states_replaced(toy, windows):
    made = a_dictionary(toy, kind=TopK(3))
    found = quality(toy, made, windows)
    limit = longest_usual(toy, SITE, windows)
    clean, edited = [], []
    top = Site(toy.n_layers)
    for window in windows:
        trace = toy.run(
            window, read=[top], variants=[Variant("base"), Variant("r", (Rebuild(SITE, made, limit),))]
        )
        for row, into in ((0, clean), (1, edited)):
            into.append(surprises(toy, trace.at(top, row)[:-1].copy(), list(window.ids[1:])))
    clean, edited = np.concatenate(clean).mean(), np.concatenate(edited).mean()
    assert found.clean == pytest.approx(clean, abs=1e-5)
    assert found.increase == pytest.approx(edited - clean, abs=1e-4)
    assert abs(found.increase) > 1e-3


def test_first_tokens_and_outliers_stay(toy, windows):
    edit = Rebuild(SITE, Constant(np.zeros(toy.d_model, np.float32)), 5.0)
    x = torch.ones(3, toy.d_model)
    x[1] *= 100
    after = edit.apply(x, torch.arange(1, 4))
    assert torch.equal(after[1], x[1]) and not after[[0, 2]].any()
    assert torch.equal(x[0], torch.ones(toy.d_model))
    assert edit.apply(x * 100, torch.arange(1, 4)) is not None
    trace = toy.run(
        windows[0], read=[SITE], variants=[Variant("base"), Variant("z", (Rebuild(SITE, edit.by, 1e9),))]
    )
    np.testing.assert_array_equal(trace.at(SITE, 0)[0], trace.at(SITE, 1)[0])
    assert not trace.at(SITE, 1)[1:].any()


def test_other_streams_are_rebuilt_where_they_are_written(toy, windows):
    for site in (Site(2, "mlp"), Site(1, "attention")):
        losses = Losses(toy, site, windows, 1e9)
        zero = Constant(np.zeros(toy.d_model, np.float32))
        assert abs(losses.increases({"zero": zero})["zero"]) > 1e-4


def test_a_dictionary_of_random_directions_is_no_better_than_its_null(toy, windows):
    found = quality(toy, a_dictionary(toy, kind=TopK(3)), windows)
    assert found.random_explained is not None
    assert found.explained <= found.random_explained
    assert found.explained < found.principal_explained


def test_folding_lengths_changes_no_figure(toy, windows):
    """Longer decoder rows with shorter encoder columns are the same dictionary."""
    made = a_dictionary(toy)
    lengths = np.linspace(0.5, 4, 41).astype(np.float32)
    folded = SparseDictionary(
        made.name,
        made.site,
        JumpRelu(np.full(41, 0.5, np.float32) * lengths),
        made.encoder * lengths,
        made.encoder_bias * lengths,
        made.decoder / lengths[:, None],
        made.bias.copy(),
        toy.title,
    )
    one, other = quality(toy, made, windows), quality(toy, folded, windows)
    assert one.card == pytest.approx(other.card, abs=1e-5)


def test_every_token_is_counted_or_left_out(toy, windows):
    found = quality(toy, a_dictionary(toy), windows)
    assert found.tokens + found.left_out == sum(map(len, windows))
    assert found.left_out >= len(windows)


def test_it_is_told_in_sentences(toy, windows):
    lines = quality(toy, a_dictionary(toy, kind=TopK(3)), windows).lines()
    assert "of the variance of" in lines[0] and "random directions" in lines[0]
    assert "nats" in lines[1] and "mean states" in lines[1]


def test_too_little_text_is_refused(toy):
    with pytest.raises(AnalysisError, match="some tokens that count"):
        quality(toy, a_dictionary(toy), [toy.tokenize("a")])
    with pytest.raises(AnalysisError, match="was made for"):
        other = a_dictionary(toy)
        object.__setattr__(other, "model", "another")
        quality(toy, other, [])
