"""Keys and values that grow in place.

transformers' layer joins old and new at every token. A copy of all rows' keys that is too large for memory at hand
is memory fresh from the system, which takes six rows a fifth of their time.
"""

import torch
from torch import Tensor
from transformers import Cache
from transformers.cache_utils import DynamicCache, DynamicLayer

AHEAD = 64
"""Positions reserved at a time."""


class GrowingLayer(DynamicLayer):
    """A layer that writes behind what it holds; what it returns are views, true until it is written again."""

    def __init__(self, layer: DynamicLayer):
        self.__dict__.update(vars(layer))
        self._room = (layer.keys, layer.values)

    def update(self, key_states: Tensor, value_states: Tensor, *args, **kwargs) -> tuple[Tensor, Tensor]:
        """Add new positions; returns the keys and values of all."""
        added = zip(self._room, (self.keys, self.values), (key_states, value_states), strict=True)
        self._room = tuple(_room_for(*each) for each in added)
        length = self.keys.shape[-2] + key_states.shape[-2]
        self.keys, self.values = (room[..., :length, :] for room in self._room)
        return self.keys, self.values


def growing(cache: Cache) -> Cache:
    """The cache with its plain layers made to grow in place; other kinds of layers stay as they are."""
    if type(cache) is DynamicCache:
        cache.layers = [
            GrowingLayer(layer) if type(layer) is DynamicLayer and layer.is_initialized else layer
            for layer in cache.layers
        ]
    return cache


def _room_for(room: Tensor, held: Tensor, new: Tensor) -> Tensor:
    """Memory that holds both, the new written behind the old."""
    length, end = held.shape[-2], held.shape[-2] + new.shape[-2]
    if room.shape[-2] < end:
        room = torch.empty(
            (*held.shape[:-2], end + AHEAD, held.shape[-1]), dtype=held.dtype, device=held.device
        )
        room[..., :length, :] = held
    room[..., length:end, :] = new
    return room
