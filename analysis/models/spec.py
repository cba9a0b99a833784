"""Which model a person asks for."""

from dataclasses import dataclass
from typing import Literal

DEFAULT_SOURCE = "SmolLM2-135M-Instruct"
"""The packaged model: the one source that needs neither a hub nor a folder."""

TOYS = ("toy:random", "toy:planted")
"""Tiny models built in memory, for tests and lessons; always called toys on screen."""

Dtype = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True)
class ModelSpec:
    """A model as asked for, before anything is looked up or loaded."""

    source: str = DEFAULT_SOURCE
    """`SmolLM2-135M-Instruct` (packaged), a hub id `owner/name`, a local folder, a `.gguf` file, or a toy."""
    revision: str | None = None
    """Branch, tag or commit of a hub id; None is the hub's default branch. Meaningless for the other sources."""
    dtype: Dtype = "auto"
    """`auto` takes float32 where it fits in memory, else bfloat16 where the processor has it."""
