"""Text that a dictionary learns from, written by the model itself: openings of many kinds, continued with a seed."""

import random
from collections import defaultdict
from collections.abc import Iterator

import torch

from analysis.models.loaded import LoadedModel

TEMPERATURE, TOP_P, MOST_WORDS = 0.9, 0.95, 128
"""How a next token is drawn: among the most probable words that together have `TOP_P`, at most so many of them."""
NEW_TOKENS = 160
ROWS = 192
"""Openings of the same length that are continued together: nothing is padded."""
ENOUGH = 0.7
"""Share of the rows that have ended, from which on the others are not waited for."""
SEED = 0

TOPICS = [
    topic.strip()
    for topic in """
the sea; mountains; a lighthouse; the moon; bread; a lost dog; the history of Rome; photosynthesis; a train
journey; chess; the immune system; jazz music; a broken clock; the French Revolution; gravity; a family
dinner; volcanoes; the stock market; honey bees; an old bridge; the printing press; climate change; a secret
garden; prime numbers; the Silk Road; whales; a job interview; the human heart; earthquakes; football;
painting; recycling; a winter storm; computers; the desert; democracy; sleep; vaccines; a birthday party;
ancient Egypt; coffee; the piano; dinosaurs; taxes; a hospital; the internet; rivers; cooking rice;
friendship; the Second World War; electricity; a small village; astronomy; robots; poetry; trees; a court
case; marathon running; glass; the brain; fishing; a haunted house; the periodic table; gardening; airplanes;
an election; cheese; memory; a wedding; the Olympic Games; sharks; opera; money; the water cycle; a school
trip; photography; kings and queens; bicycles; language learning; cancer; a detective; butterflies; the
Industrial Revolution; pasta; probability; a desert island; wolves; architecture; the theatre; nutrition; the
Arctic; an argument between neighbours; DNA; a spaceship; insurance; silver; the calendar; a factory; spiders;
love; justice; time travel; public transport; mathematics; religion; tea; the circus; energy; a museum;
rabbits; philosophy; the weather; toys; a pirate ship; the law; medicine
""".replace("\n", " ").split(";")
]
ASKS = (
    "Write a short story about {}.",
    "Explain {} to a child.",
    "What are the main facts about {}?",
    "Write a poem about {}.",
    "Give me five tips concerning {}.",
    "Write a news article about {}.",
    "Write a dialogue between two friends about {}.",
    "Summarize what is known about {}.",
    "Write a letter to a friend about {}.",
    "What are the advantages and disadvantages of {}?",
    "Write a quiz with answers about {}.",
    "Describe {} in detail.",
    "Write a Python program that has to do with {}.",
    "Tell me the history of {}.",
    "Write an essay about {}.",
    "Compare {} with something similar.",
    "Make a table of facts about {}.",
    "Write a speech about {}.",
    "Write a recipe or a set of instructions related to {}.",
    "Translate a sentence about {} into French, Spanish and German.",
)
STARTS = (
    "{} is",
    "The history of {}",
    "A report on {}, published in 1998,",
    "Chapter 3: {}",
    "Dear Sir or Madam,\nI am writing about {}",
    '"Let us talk about {}," she said,',
    "# {}\n\n",
    "import os\n\n# a program about {}\ndef",
    "<html>\n<head><title>{}</title>",
    "Q: What is {}?\nA:",
    "Once upon a time, {}",
    "In 2015, researchers studying {}",
    "TITLE: {}\nABSTRACT: In this paper",
    "Review: I bought a book on {}",
    "Le sujet est {}. En français,",
    "El tema es {}. En español,",
    "1. {}\n2.",
    "{}: a guide for beginners.",
    "class {}:\n    def __init__(self",
)


def openings(model: LoadedModel) -> list[tuple[int, ...]]:
    """Questions in the chat template, beginnings of texts, and every word of the vocabulary by itself; shuffled."""
    asked = [model.tokenize(ask.format(topic), chat=True).ids for topic in TOPICS for ask in ASKS]
    begun = [model.tokenize(start.format(topic)).ids for topic in TOPICS for start in STARTS]
    words = [(index,) for index in range(model.vocabulary) if _is_a_word(model.tokenizer.label(index))]
    found = [tuple(ids) for ids in asked + begun] * 2 + words
    random.Random(SEED).shuffle(found)
    return found


def batches(model: LoadedModel) -> list[list[tuple[int, ...]]]:
    """Openings of equal length together, three batches of worded ones for one of single words."""
    by_length = defaultdict(list)
    for each in openings(model):
        by_length[len(each)].append(each)
    rows = [
        group[start : start + ROWS]
        for _, group in sorted(by_length.items())
        for start in range(0, len(group) - ROWS // 2, ROWS)
    ]
    random.Random(SEED + 3).shuffle(rows)
    single = [group for group in rows if len(group[0]) == 1]
    worded = [group for group in rows if len(group[0]) > 1]
    return [
        group
        for start in range(0, len(worded), 3)
        for group in (*worded[start : start + 3], *single[start // 3 :][:1])
    ]


def sampled(model: LoadedModel) -> Iterator[list[tuple[int, ...]]]:
    """The openings with their continuations, batch after batch, each with a seed of its own."""
    for number, rows in enumerate(batches(model)):
        yield model.on_worker(lambda rows=rows, seed=number: _continued(model, rows, seed))


def _continued(model: LoadedModel, rows: list[tuple[int, ...]], seed: int) -> list[tuple[int, ...]]:
    generator = torch.Generator().manual_seed(seed)
    end = _end(model)
    output = model.network(input_ids=torch.tensor(rows), use_cache=True, logits_to_keep=1)
    written, done = [], torch.zeros(len(rows), dtype=torch.bool)
    while len(written) < NEW_TOKENS and done.float().mean() <= ENOUGH:
        drawn = torch.where(done, end, _drawn(output.logits[:, -1].float(), generator))
        written.append(drawn)
        done |= drawn == end
        output = model.network(
            input_ids=drawn[:, None], past_key_values=output.past_key_values, use_cache=True
        )
    columns = torch.stack(written, 1).tolist()
    return [(*row, *_until(end, new)) for row, new in zip(rows, columns, strict=True)]


def _drawn(logits: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    top, words = (logits / TEMPERATURE).topk(MOST_WORDS, dim=1)
    chances = top.softmax(1)
    chances = chances.masked_fill(chances.cumsum(1) - chances > TOP_P, 0)
    return words.gather(1, torch.multinomial(chances, 1, generator=generator))[:, 0]


def _until(end: int, ids: list[int]) -> list[int]:
    return ids[: ids.index(end)] if end in ids else ids


def _end(model: LoadedModel) -> int:
    """The token that ends a turn and a text."""
    return model.tokenizer.backend.eos_token_id


def _is_a_word(label: str) -> bool:
    return bool(label.strip()) and "\N{REPLACEMENT CHARACTER}" not in label and not label.startswith("<|")
