"""Write the dictionaries that ship: learn them, measure them, and gather what their features fire on.

Run: python -m analysis.data.write_dictionaries FOLDER [--fetch] [layer ...]. FOLDER holds the unpacked Debian packages
of `training_text`; with `--fetch` they are downloaded into it first. Half an hour and 4 GB of disk a layer on two quiet
cores, after an hour in which the model writes its own part of the text; what was stopped goes on where it was.
"""

import random
import shutil
import sys
from pathlib import Path

from analysis.corpora import Corpus
from analysis.data import training_text
from analysis.dictionaries.evidence.evidence_file import FILE, write_evidence
from analysis.dictionaries.evidence.gathering import evidence_of
from analysis.dictionaries.firing.firings import firings
from analysis.dictionaries.formats.sae_folder import read_folder, write_folder
from analysis.dictionaries.shelf import SHIPPED, open_dictionary
from analysis.dictionaries.training.own_text import written
from analysis.dictionaries.training.plan import Plan
from analysis.dictionaries.training.run import Order, train
from analysis.edits import Site
from analysis.jobs import Report
from analysis.models.loaded import LoadedModel
from analysis.models.opening import load
from analysis.models.spec import ModelSpec

PLACE = SHIPPED / "smollm2-135m-instruct"
LAYERS = (8, 16, 24)
"""Early, middle, late, of 30."""
PLAN = Plan(width=4608, k=32, samples=8_000_000, batch=2048, rate=8e-4, dead_after=1_000_000, seed=0)
"""Eight features for every number of a state."""
TOKENS, LENGTH = 3_200_000, 256
OWN_TOKENS = 210_000
"""Of the training text, those that the model wrote."""
LOOKED_AT = 260_000
"""Tokens on which features are looked at, most of them the model's own text."""
SEED = 2


def texts_of(model: LoadedModel, folder: Path, report: Report) -> tuple[str, ...]:
    """The model's own text and that of packages, shuffled with a seed."""
    own = list(written(model, OWN_TOKENS, report))
    packages = [piece for pieces in training_text.gather(folder).values() for piece in pieces]
    random.Random(SEED).shuffle(packages)
    mixed = own + packages
    random.Random(SEED).shuffle(mixed)
    return tuple(mixed)


def write_dictionary(model: LoadedModel, layer: int, texts: tuple[str, ...], report: Report) -> None:
    """Learn one dictionary from states in bfloat16 and put it where it ships."""
    order = Order(Site(layer), PLAN, TOKENS, name=f"Layer {layer}", length=LENGTH)
    trained = train(model, order, texts, report)
    dictionary = open_dictionary(model, trained.offer.id)
    shutil.rmtree(PLACE / f"layer-{layer}", ignore_errors=True)
    write_folder(dictionary, PLACE / f"layer-{layer}")


def write_what_fires(model: LoadedModel, layer: int, texts: tuple[str, ...], report: Report) -> None:
    """Gather what a shipped dictionary's features fire on, in float32."""
    dictionary = read_folder(PLACE / f"layer-{layer}")
    corpus = Corpus("training", "Text of many kinds", texts)
    found = firings(model, dictionary, corpus, length=LENGTH, report=report)
    about = "Text the model wrote and documentation of packages, as listed in the card"
    write_evidence(evidence_of(model, dictionary, found, about, report), PLACE / f"layer-{layer}" / FILE)


def looked_at(model: LoadedModel, texts: tuple[str, ...]) -> tuple[str, ...]:
    """The first texts that have enough tokens together."""
    kept, count = [], 0
    for text in texts:
        if count >= LOOKED_AT:
            break
        kept.append(text)
        count += len(model.tokenize(text))
    return tuple(kept)


def _told(message: str, done: float = 0, total: float | None = None) -> None:
    sys.stderr.write(f"\r{message} {done:,.0f}{f' of {total:,.0f}' if total else ''}\033[K")


def main() -> None:
    """Write the dictionaries of the asked layers, or of all."""
    given = [each for each in sys.argv[1:] if each != "--fetch"]
    folder, layers = Path(given[0]), tuple(map(int, given[1:])) or LAYERS
    if "--fetch" in sys.argv:
        training_text.fetch(folder)
    exact, coarse = (load(ModelSpec(dtype=dtype)) for dtype in ("float32", "bfloat16"))
    texts = texts_of(exact, folder, _told)
    own = written(exact, OWN_TOKENS, _told)
    for layer in layers:
        write_dictionary(coarse, layer, texts, _told)
        write_what_fires(exact, layer, looked_at(exact, own + texts), _told)


if __name__ == "__main__":
    main()
