"""A cache that grows in place holds what transformers' own holds."""

import torch
from transformers.cache_utils import DynamicCache, DynamicSlidingWindowLayer

from analysis.models.growing_cache import AHEAD, GrowingLayer, growing

HEADS, ROWS = 2, 3


def states(positions: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(ROWS, HEADS, positions, size, generator=random) for size in (4, 6))


def begun() -> DynamicCache:
    cache = DynamicCache()
    for layer in range(2):
        cache.update(*states(5, layer), layer)
    return cache


def test_keys_and_values_are_those_of_transformers_beyond_the_reserve():
    own, theirs = growing(begun()), begun()
    assert all(type(layer) is GrowingLayer for layer in own.layers)
    for step in range(AHEAD + 3):
        for layer in range(2):
            new = states(1 + (step == 2), 10 * step + layer)
            for ours, expected in zip(own.update(*new, layer), theirs.update(*new, layer), strict=True):
                assert torch.equal(ours, expected)
        assert own.get_seq_length() == theirs.get_seq_length()
        assert own.get_mask_sizes(1, 0) == theirs.get_mask_sizes(1, 0)


def test_what_it_grew_from_is_not_written_to():
    source = begun()
    held = [layer.keys.clone() for layer in source.layers]
    shared = DynamicCache()
    shared.layers = list(source.layers)
    grown = growing(shared)
    for step in range(3):
        grown.update(*states(1, step), 0)
    assert torch.equal(source.layers[0].keys, held[0])
    assert source.get_seq_length() == 5


def test_other_kinds_of_layers_stay():
    cache = DynamicCache()
    cache.layers = [DynamicSlidingWindowLayer(4)]
    assert type(growing(cache).layers[0]) is DynamicSlidingWindowLayer
