"""The default model as the app holds it, and the same network without any of our hooks."""

from functools import cache

import torch

from analysis import LoadedModel, ModelSpec, jobs, load
from analysis.models import checkpoint, sources
from analysis.tokens import Tokens

TEXT = (
    "The sea covers most of the planet, and almost all of it is dark. Light fades within the first two hundred "
    "metres; below that, animals make their own. Sailors measured depth with a line and a lump of lead, and "
    "wrote down how many fathoms ran out before it touched the ground. Today a ship sends down a pulse of "
    "sound and counts the seconds until it comes back. "
)


@cache
def model() -> LoadedModel:
    """Loaded in a thread of its own, as the app does.

    A thread that has multiplied matrices keeps its helper threads for as long as it lives, and two sets of
    them on the same cores slow each other down.
    """
    return jobs.start("Loading", lambda report: load(report=report)).result()


@cache
def plain() -> torch.nn.Module:
    """The same checkpoint as transformers alone runs it."""
    files = sources.locate(ModelSpec(), lambda *_: None)
    return model().worker.do(
        lambda: checkpoint.open_checkpoint(files, model().dtype, lambda *_: None).model.eval()
    )


def tokens(length: int) -> Tokens:
    """English text of exactly so many tokens."""
    ids = model().tokenize(TEXT * (1 + length // 60)).ids[:length]
    return model().tokenizer.tokens(ids, prompt_length=len(ids))


def on_worker(call):
    """The same call in the thread that runs the network for the app, so that both sides of a ratio share it."""
    return lambda: model().on_worker(call)
