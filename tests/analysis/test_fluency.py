"""Perplexity, repetition and mean states of continuations, against values worked out by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from analysis.edits import Site
from analysis.errors import Cancelled
from analysis.fluency import ROWS, fluency, repetition

PROMPT = "The sea is"
TOP, MIDDLE = Site(3), Site(2)


def ids_of(model, text: str) -> tuple[int, ...]:
    return model.tokenize(text).ids


# repetition


def test_the_share_of_repeated_3_grams_by_hand():
    assert repetition([1, 2, 3, 4]) == 0  # 123 234
    assert repetition([1, 1, 1, 1]) == 0.5  # 111 twice
    assert repetition([1, 2, 3, 1, 2, 3]) == pytest.approx(1 / 4)  # 123 231 312 123
    assert repetition([1, 2, 3] * 10) == pytest.approx(25 / 28)  # 28 grams, 3 of them new


def test_a_periodic_text_repeats_nearly_everything_and_a_short_one_cannot_say():
    assert repetition([5, 9] * 200) > 0.99
    assert all(math.isnan(repetition(range(n))) for n in range(4))


@given(st.lists(st.integers(0, 3), min_size=4, max_size=40))
def test_repetition_lies_in_0_to_1_and_knows_no_names(ids):
    assert 0 <= repetition(ids) < 1
    assert repetition([7 - 2 * i for i in ids]) == repetition(ids)


# perplexity


def test_perplexity_is_what_the_model_itself_says_of_its_greedy_text(toy):
    prompt = toy.tokenize(PROMPT)
    steps = list(toy.generate(prompt, max_new_tokens=12))
    ids = tuple(step.ids[0] for step in steps)
    own = math.exp(-sum(float(step.log_probabilities[0]) for step in steps) / len(steps))
    assert len(ids) == 12
    assert fluency(toy, prompt, [ids]).perplexity[0] == pytest.approx(own, rel=1e-3)


def test_perplexity_by_hand(toy):
    prompt, ids = toy.tokenize(PROMPT), ids_of(toy, "cold")
    states = toy.run(toy.tokenizer.continued(prompt, ids)).at(TOP)
    log_p = toy.on_worker(lambda: toy.read_out(torch.from_numpy(states.copy())).log_softmax(-1)).numpy()
    start = len(prompt) - 1
    nats = [-log_p[start + n, index] for n, index in enumerate(ids)]
    assert fluency(toy, prompt, [ids]).nats[0] == pytest.approx(np.mean(nats), rel=1e-5)


def test_a_text_reads_the_same_in_company_and_alone(toy):
    prompt = toy.tokenize(PROMPT)
    texts = [ids_of(toy, text) for text in ("cold", "deep and wide and old", "x", "salt")]
    together = fluency(toy, prompt, texts, read=[MIDDLE])
    for n, ids in enumerate(texts):
        alone = fluency(toy, prompt, [ids], read=[MIDDLE])
        assert together.nats[n] == pytest.approx(alone.nats[0], rel=1e-5)
        assert together.means[MIDDLE][n] == pytest.approx(alone.means[MIDDLE][0], rel=1e-4, abs=1e-5)


def test_perplexity_is_at_least_1_and_a_surprise_raises_it(toy):
    prompt = toy.tokenize(PROMPT)
    greedy = tuple(step.ids[0] for step in toy.generate(prompt, max_new_tokens=8))
    other = tuple(i + 1 for i in greedy)
    read = fluency(toy, prompt, [greedy, other])
    assert 1 <= read.perplexity[0] < read.perplexity[1]


# mean states


def test_mean_states_are_those_of_the_new_tokens_alone(toy):
    prompt, ids = toy.tokenize(PROMPT), ids_of(toy, "cold and")
    read = fluency(toy, prompt, [ids], read=[MIDDLE, TOP])
    trace = toy.run(toy.tokenizer.continued(prompt, ids))
    for site in (MIDDLE, TOP):
        assert read.means[site][0] == pytest.approx(trace.at(site)[len(prompt) :].mean(0), rel=1e-5, abs=1e-6)


def test_an_end_token_costs_nats_but_is_no_text(toy):
    prompt, ids, end = toy.tokenize(PROMPT), ids_of(toy, "aaaa"), 257
    plain, ended = (fluency(toy, prompt, [each], read=[MIDDLE]) for each in (ids, (*ids, end)))
    assert toy.tokenizer.is_special(end)
    assert ended.repetition[0] == plain.repetition[0]
    assert ended.means[MIDDLE][0] == pytest.approx(plain.means[MIDDLE][0], rel=1e-5, abs=1e-6)
    assert ended.nats[0] != pytest.approx(plain.nats[0])
    only = fluency(toy, prompt, [(end,)], read=[MIDDLE])
    assert np.isfinite(only.nats[0])
    assert np.isnan(only.means[MIDDLE][0]).all()


def test_nothing_written_is_nothing_known(toy):
    prompt = toy.tokenize(PROMPT)
    read = fluency(toy, prompt, [(), ids_of(toy, "cold")], read=[MIDDLE])
    assert np.isnan([read.nats[0], read.repetition[0], read.perplexity[0]]).all()
    assert np.isnan(read.means[MIDDLE][0]).all()
    assert np.isfinite(read.nats[1])
    none = fluency(toy, prompt, [], read=[MIDDLE])
    assert none.nats.shape == (0,)
    assert none.means[MIDDLE].shape == (0, 22)


# work


def test_equal_texts_are_read_once_and_batches_stay_small(own_toy, monkeypatch):
    prompt, rows, run = own_toy.tokenize(PROMPT), [], own_toy.run
    monkeypatch.setattr(
        own_toy, "run", lambda batch, **settings: rows.append(len(batch)) or run(batch, **settings)
    )
    texts = [(65 + n, 66, 67) for n in range(ROWS + 3)]
    read = fluency(own_toy, prompt, texts * 2)
    assert rows == [ROWS, 3]
    assert np.array_equal(read.nats[: ROWS + 3], read.nats[ROWS + 3 :])


def test_the_vocabulary_goes_through_in_chunks(toy, monkeypatch):
    prompt, texts = toy.tokenize(PROMPT), [(65, 66, 67, 68), (70, 71)]
    whole = fluency(toy, prompt, texts).nats
    monkeypatch.setattr("analysis.next_token.rows_per_chunk", lambda vocabulary: 2)
    assert fluency(toy, prompt, texts).nats == pytest.approx(whole, rel=1e-5)


def test_reading_can_be_cancelled(toy):
    def report(message, done=0, total=None):
        raise Cancelled(message)

    with pytest.raises(Cancelled):
        fluency(toy, toy.tokenize(PROMPT), [(65, 66)], report=report)
