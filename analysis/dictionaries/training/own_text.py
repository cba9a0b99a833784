"""Text to learn from that needs nothing but the model and what is installed."""

from collections import defaultdict
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path

import numpy as np
import torch

from analysis import store
from analysis.data import corpus, training_samples, training_text
from analysis.errors import AnalysisError
from analysis.fingerprint import fingerprint
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel

KIND = "samples"
PACKAGES = {"sklearn": "scikit-learn"}
"""Distributions that are not called as their module."""
ROWS, NEW_TOKENS = 48, 160
"""Texts that are written together, and tokens of each."""
ASKED = "The model is writing text to learn from"


def documentation(report: Report = silent) -> tuple[str, ...]:
    """The shipped samples, and documentation of the Python packages that are installed, in pieces of some 400 tokens.

    Misleads when: a dictionary learnt from it is used on other text: it is technical English, with code.
    """
    path = store.folder(KIND, "documentation") / f"{fingerprint('documentation', _installed())[:32]}.json"
    if not path.exists():
        report("Reading the documentation of installed packages")
        found = training_text.gather(
            Path("/nowhere")
        )  # what is installed, and nothing that has to be fetched
        store.write_json(path, [piece for pieces in found.values() for piece in pieces])
    return (*corpus.documents(), *store.read_json(path))


def _installed() -> tuple[str, ...]:
    names = [source.name for source in training_text.SOURCES if not source.where]
    found = {name: each.version for each in distributions() if (name := each.metadata["Name"])}
    return tuple(f"{name} {found.get(PACKAGES.get(name, name), '')}" for name in names)


def written(model: LoadedModel, tokens: int, report: Report = silent) -> tuple[str, ...]:
    """Text that the model writes itself, from openings of many kinds; kept, and gone on with when more is asked for.

    Args:
        model: who writes.
        tokens: how many, at least, as far as there are openings.
        report: progress in tokens; raises `Cancelled` to stop.

    Misleads when: it is taken for text of people: it is fluent, not true, and as narrow as the model.
    """
    place = store.folder(KIND, fingerprint("own text", model.fingerprint))
    texts: list[str] = []
    count = 0
    with store.held(
        f"{KIND}-{place.name}", report, "Waiting for the same text, which is being written elsewhere"
    ):
        for number, rows in enumerate(_batches(model)):
            if count >= tokens:
                break
            path = place / f"{number:05d}.json"
            if not path.exists():
                store.write_json(
                    path,
                    _written(model, rows, number, lambda new, old=count: report(ASKED, old + new, tokens)),
                )
            own = store.read_json(path)
            texts += own["texts"]
            count += own["tokens"]
    if not texts:
        raise AnalysisError(f"{model.title} has no openings to write from. Bring text of your own.")
    return tuple(texts)


def _openings(model: LoadedModel) -> list[tuple[int, ...]]:
    try:
        return training_samples.openings(model)
    except AnalysisError:  # nobody taught it to answer questions
        begun = [
            start.format(topic) for topic in training_samples.TOPICS for start in training_samples.STARTS
        ]
        order = np.random.default_rng(training_samples.SEED).permutation(len(begun))
        return [model.tokenize(begun[place]).ids for place in order]


def _batches(model: LoadedModel) -> list[list[tuple[int, ...]]]:
    """Openings of equal length together, in an order that mixes kinds."""
    waiting, found = defaultdict(list), []
    for ids in _openings(model):
        waiting[len(ids)].append(ids)
        if len(waiting[len(ids)]) == ROWS:
            found.append(waiting.pop(len(ids)))
    return found + [rows for _, rows in sorted(waiting.items())]


def _written(
    model: LoadedModel, rows: list[tuple[int, ...]], seed: int, told: Callable[[int], None]
) -> dict[str, object]:
    """The openings, continued token by token: other work runs in between, and a stop is heeded at once."""
    generator, end = torch.Generator().manual_seed(seed), model.tokenizer.backend.eos_token_id
    given, past, new = torch.tensor(rows), None, []
    for _ in range(min(NEW_TOKENS, (model.context or NEW_TOKENS) - len(rows[0]))):
        told(len(new) * len(rows))
        logits, past = model.on_worker(lambda given=given, past=past: _next(model, given, past))
        given = (logits / training_samples.TEMPERATURE).softmax(-1).multinomial(1, generator=generator)
        new.append(given)
    columns = torch.cat(new, 1).tolist() if new else [[] for _ in rows]
    ids = [
        (*row, *(own[: own.index(end)] if end in own else own))
        for row, own in zip(rows, columns, strict=True)
    ]
    texts = [model.tokenizer.tokens(each, prompt_length=len(each)).text for each in ids]
    return {"texts": [text for text in texts if text.strip()], "tokens": sum(map(len, ids))}


def _next(model: LoadedModel, given: torch.Tensor, past) -> tuple[torch.Tensor, object]:
    made = model.network(input_ids=given, past_key_values=past, use_cache=True)
    return made.logits[:, -1].float(), made.past_key_values
