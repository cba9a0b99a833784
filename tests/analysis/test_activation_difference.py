"""Directions from two states: which states they are, their signs, and what is refused."""

import numpy as np
import pytest

from analysis.errors import AnalysisError
from analysis.methods.activation_difference import between_cells, between_prompts

TEXT = "the sea is deep"


@pytest.fixture(scope="module")
def cells(toy):
    """The residual stream of one text and its labels."""
    trace = toy.run(TEXT)
    return trace.residuals(), trace.tokens[0].labels


def test_two_prompts_differ_by_their_last_states_at_every_layer(toy):
    plus, minus = "I love it", "I hate this"
    direction = between_prompts(toy, plus, minus)
    want = toy.run(plus).residuals()[:, -1] - toy.run(minus).residuals()[:, -1]
    assert direction.layers == (0, 1, 2, 3)
    assert np.allclose(direction.values, want, atol=1e-4)
    assert direction.name == "I love it minus I hate this"
    assert direction.how == "The last token's state of the prompt 'I love it' minus that of 'I hate this'."
    assert "2308.10248" in direction.source
    assert direction.layer == 1  # half of three blocks
    direction.require_fit(toy)


def test_prompts_that_end_in_one_token_have_no_direction_in_the_embedding(toy):
    direction = between_prompts(toy, "good.", "bad.")
    assert direction.layers == (1, 2, 3)
    assert len(direction.values) == 3


def test_a_long_prompt_has_a_short_name(toy):
    direction = between_prompts(toy, "a very long prompt\nthat goes on", "b")
    assert direction.name == "a very long prompt that… minus b"


def test_two_cells_differ_by_their_states(toy, cells):
    states, labels = cells
    direction = between_cells(toy, states, 5, 2, 3, labels)
    assert np.array_equal(direction.values, states[:, 5] - states[:, 2])
    assert (direction.layer, direction.layers) == (3, (0, 1, 2, 3))
    assert direction.name == f"{labels[5]} minus {labels[2]}"
    assert f"token 5 ({labels[5]}) minus the state at token 2 ({labels[2]})" in direction.how


def test_two_cells_of_one_token_propose_the_nearest_layer_they_differ_at(toy, cells):
    states, labels = cells
    same = [i for i, label in enumerate(labels) if label == "·"]
    direction = between_cells(toy, states, same[0], same[1], 0, labels)
    assert (direction.layers, direction.layer) == ((1, 2, 3), 1)


def test_swapping_the_two_turns_the_direction_round(toy, cells):
    states, labels = cells
    one, other = between_cells(toy, states, 6, 2, 1, labels), between_cells(toy, states, 2, 6, 1, labels)
    assert np.array_equal(one.values, -other.values)
    one, other = between_prompts(toy, "good day", "bad"), between_prompts(toy, "bad", "good day")
    assert np.allclose(one.values, -other.values, atol=1e-4)  # the rows of a batch change places


@pytest.mark.parametrize("text", ["a", "the sea", "The sea is deep and cold tonight"])
def test_equal_prompts_are_refused_though_rows_of_a_batch_differ_by_rounding(toy, text):
    with pytest.raises(AnalysisError, match="Both prompts are the same, so nothing lies between them"):
        between_prompts(toy, text, text)


def test_an_empty_prompt_is_refused(toy):
    with pytest.raises(AnalysisError, match="The prompt is empty"):
        between_prompts(toy, "", "a")
    with pytest.raises(AnalysisError, match="no chat template"):
        between_prompts(toy, "a", "b", chat=True)


def test_cells_that_cannot_be_meant_are_refused(toy, cells):
    states, labels = cells
    for plus, minus in ((3, 3), (-1, 2), (2, len(labels)), (len(labels), 0)):
        with pytest.raises(
            AnalysisError, match=f"two different tokens .* from 0 to {len(labels) - 1}; given {plus}"
        ):
            between_cells(toy, states, plus, minus, 1, labels)
    flat = np.zeros_like(states)
    with pytest.raises(AnalysisError, match="equal at every layer"):
        between_cells(toy, flat, 1, 2, 1, labels)
