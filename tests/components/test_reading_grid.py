"""From a reading to the grid: every cell's words, colours and columns are those of the reading."""

import numpy as np
import pytest

from analysis import read
from analysis.methods.lens import QUANTITIES
from components.reading_grid import SHOWN, grid_of, grid_tokens


@pytest.fixture(scope="module")
def reading(toy):
    return read(toy, toy.run("the sea\n"))


@pytest.mark.parametrize("color", QUANTITIES)
def test_every_cell_names_its_tokens_and_wears_its_value(toy, reading, color):
    grid = grid_of(toy, reading, color, "logit")
    layers, positions = reading.entropy.shape
    assert (len(grid.layers), len(grid.tokens)) == (layers, positions)
    for layer in range(layers):
        for position in range(positions):
            words = [grid.words[index] for index in grid.top[layer, position]]
            assert words == [toy.tokenizer.label(i) for i in reading.top_ids[layer, position, :SHOWN]]
    assert np.array_equal(grid.value, reading.quantity(color).values)
    low, high = grid.scale.ends
    assert low <= grid.value.min() and grid.value.max() <= high + 1e-3


@pytest.mark.parametrize("color", ["entropy", "kl", "rank"])
def test_where_little_is_much_the_strong_colour_is_low(toy, reading, color):
    grid = grid_of(toy, reading, color, "logit")
    strong, weak = grid.value.argmin(), grid.value.argmax()
    assert grid.shade.flat[strong] > grid.shade.flat[weak]


def test_another_colour_target_lens_or_text_is_another_grid(toy, reading):
    first = grid_of(toy, reading, "kl", "logit").fingerprint
    followed = read(toy, toy.run("the sea\n"), target=70)
    others = [
        grid_of(toy, reading, "entropy", "logit"),
        grid_of(toy, reading, "kl", "shortcut"),
        grid_of(toy, followed, "kl", "logit"),
        grid_of(toy, read(toy, toy.run("the seb\n")), "kl", "logit"),
    ]
    assert len({first, *(other.fingerprint for other in others)}) == 5
    assert grid_of(toy, reading, "kl", "logit").fingerprint == first


def test_a_followed_token_is_named(toy):
    reading = read(toy, toy.run("the"), target=70)
    assert toy.tokenizer.label(70) in grid_of(toy, reading, "rank", "logit").value_label


def test_columns_tell_what_was_generated_and_what_is_special(toy):
    tokens = toy.tokenizer.continued(toy.tokenize("a<bos>"), (66, 67))
    columns = grid_tokens(tokens)
    assert [column.generated for column in columns] == [False, False, True, True]
    assert [column.special for column in columns] == [False, True, False, False]
    assert "position 1, id 256" in columns[1].detail
