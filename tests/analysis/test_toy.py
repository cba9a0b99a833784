"""The toys: axes that cannot be mistaken for one another, and a direction that can be found."""

import numpy as np
import pytest
import torch

from analysis.edits import BASE, Site, Steer, Variant
from analysis.models import toy as toys


def said(model, trace, row) -> str:
    last = torch.from_numpy(trace.at(Site(model.n_layers), row)[-1:].copy())
    return model.tokenizer.label(int(model.on_worker(lambda: model.read_out(last)).argmax()))


def test_no_two_axes_have_one_length(toy):
    config = toy.network.config
    axes = (config.num_hidden_layers, config.hidden_size, config.vocab_size, config.intermediate_size,
            config.num_attention_heads, config.hidden_size // config.num_attention_heads)  # fmt: skip
    assert len(set(axes)) == len(axes)
    assert (
        (toy.n_layers, toy.d_model, toy.vocabulary)
        == (toys.LAYERS, toys.D_MODEL, toys.VOCABULARY)
        == (3, 22, 283)
    )
    # heads times their width is d_model, so it alone cannot be prime
    assert all(n % k for n in (3, 283, 37, 11, 2) for k in range(2, n))


@pytest.mark.parametrize("source", ["toy:random", "toy:planted"])
def test_a_toy_has_the_same_weights_every_time_and_moves_no_random_state(source):
    before = torch.get_rng_state()
    one, other = toys.build(source), toys.build(source)
    assert torch.equal(torch.get_rng_state(), before)
    pairs = zip(one.network.parameters(), other.network.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_the_planted_direction_at_any_layer_makes_its_token_the_prediction(planted):
    scale = 3.0  # the stream is 15 to 22 long; 2 is too weak to be heard over it, 12 drowns it whatever the direction
    nulls = np.random.default_rng(0).normal(size=(40, planted.d_model)).astype(np.float32)
    nulls /= np.linalg.norm(nulls, axis=1, keepdims=True)
    for layer in range(planted.n_layers + 1):
        variants = (
            BASE,
            Variant("planted", (Steer(Site(layer), toys.planted_direction(), scale),)),
            *(Variant(f"null {i}", (Steer(Site(layer), null, scale),)) for i, null in enumerate(nulls)),
        )
        trace = planted.run("The sea is", variants=variants)
        words = [said(planted, trace, row) for row in range(len(variants))]
        assert words[0] != toys.PLANTED_TOKEN
        assert words[1] == toys.PLANTED_TOKEN
        assert toys.PLANTED_TOKEN not in words[2:], f"a random direction at layer {layer} does the same"


def test_nothing_else_reads_or_writes_the_planted_axis(planted):
    pushed = Variant("pushed", (Steer(Site(0), toys.planted_direction(), 5.0),))
    stream = planted.run("The sea is", variants=(pushed,)).residuals()
    assert (stream[:, :, -1] == 5).all()
    assert not (planted.run("The sea is").residuals()[:, :, -1]).any()
