"""Let transformers parse a GGUF file once where it would do so three times.

It reads the header anew for the config, the weights and the tokenizer, two seconds each for a vocabulary of
49,000 tokens, and builds the same table of tensor names for every module of the network.
"""

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_one_at_a_time = threading.Lock()


@contextmanager
def parsed_once() -> Iterator[None]:
    """Inside the block, readers and name tables of the gguf package are made once per file and architecture.

    The package's names belong to the process, so blocks in several threads wait for one another.
    """
    import gguf

    with _one_at_a_time:
        plain = gguf.GGUFReader, gguf.get_tensor_name_map
        gguf.GGUFReader, gguf.get_tensor_name_map = map(functools.cache, plain)
        try:
            yield
        finally:
            gguf.GGUFReader, gguf.get_tensor_name_map = plain
