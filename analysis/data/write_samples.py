"""Write `samples.txt`: text sampled from the packaged model.

Run: python -m analysis.data.write_samples
"""

import random
from pathlib import Path

import torch

from analysis.data.corpus import SEPARATOR
from analysis.models import checkpoint, sources
from analysis.models.spec import ModelSpec

SEEDS = (20, 21)
NEW_TOKENS = 190
BATCH = 40

OPENINGS = r"""
The history of the city began when
The river rises in the mountains and flows
Scientists announced on Monday that a new study
In mathematics, a group is
The recipe is simple: first, chop the onions and
Once upon a time, in a village by the sea,
Dear Anna,\nThank you for your letter. I have been
"I don't believe you," said the old man, and
The company reported that its profits in the third quarter
During the war, the government decided to
The human heart is a muscle that
She opened the door slowly and saw
In 1969, the first astronauts
The novel tells the story of a young woman who
To install the software, open a terminal and
def read_file(path):\n    \"\"\"Read a file and return
import numpy as np\n\ndef main():\n
class Stack:\n    def __init__(self):\n
The capital of Spain is Madrid. The capital of Italy is
Water boils at 100 degrees because
The train from Paris to Berlin leaves at
Photosynthesis is the process by which
My favourite season is autumn, because
The museum was founded in 1874 and holds
He had never been to the theatre before, but
Birds migrate every year in order to
The law was passed by parliament in
If you want to learn to play the piano, you should
The weather tomorrow will be
According to the report, unemployment has
The battle lasted three days and ended with
A good teacher knows that
The economy of Brazil depends on
Chess is a game for two players in which
Le chat est assis sur la table. In English this means
The doctor told her that the test results
We stood on the bridge and watched
The planet Jupiter is the largest
Many people think that computers
On the first day of school, Tom
The sum of 17 and 25 is 42. The product of 6 and 7 is
Bread is made from flour, water,
The painter was born in a small town near
In this chapter we discuss how language
The football match between the two teams
Elephants live in herds led by
After the storm, the fishermen
The bank announced that interest rates would
Her grandmother used to tell her that
The theory of evolution explains
"""

QUESTIONS = """
How do I write a good letter of application?
What causes the tides?
Can you explain what a prime number is?
Tell me a short story about a lighthouse.
Write a poem about winter.
What should I cook for four friends tonight?
How does a bicycle stay upright?
Write a Python function that reverses a list.
Why is the sky blue?
What are the main differences between cats and dogs?
Who was Marie Curie?
How can I sleep better?
Explain how rain forms, for a child.
Give me three ideas for a birthday present.
What happened in the French Revolution?
How do I change a flat tyre?
Summarise the plot of Romeo and Juliet.
What is the difference between weather and climate?
How do vaccines work?
Describe a walk through a forest in autumn.
What is inflation, and why does it matter?
Translate into French: the book is on the table.
How many days are there in a leap year, and why?
Write a short dialogue between a baker and a customer.
What makes a good friend?
How is glass made?
Name some famous bridges and where they are.
Explain the rules of football.
Why do we dream?
How do I start learning to draw?
"""


def _prompts(tokenizer) -> list[str]:
    openings = [line.encode().decode("unicode_escape") for line in OPENINGS.strip().splitlines()]
    questions = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": line}], tokenize=False, add_generation_prompt=True
        )
        for line in QUESTIONS.strip().splitlines()
    ]
    return openings + questions


def _sample(model, tokenizer, prompts: list[str]) -> list[str]:
    ids, mask = _padded_on_the_left(
        [tokenizer(prompt)["input_ids"] for prompt in prompts], tokenizer.pad_token_id
    )
    with torch.inference_mode():
        output = model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=NEW_TOKENS,
            do_sample=True,
            temperature=0.9,
            top_p=0.95,
            top_k=0,
        )
    answers = tokenizer.batch_decode(output[:, ids.shape[1] :], skip_special_tokens=True)
    return [
        answer if "<|im_start|>" in prompt else prompt + answer
        for prompt, answer in zip(prompts, answers, strict=True)
    ]


def _padded_on_the_left(rows: list[list[int]], padding: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Every prompt ends in the last column, where its continuation begins."""
    width = max(map(len, rows))
    ids = torch.tensor([[padding] * (width - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    return ids, mask


def main() -> None:
    """Sample every prompt once per seed, shuffle the documents and write them beside this file."""
    opened = checkpoint.open_checkpoint(sources.locate(ModelSpec()), torch.float32)
    prompts = _prompts(opened.tokenizer)
    texts = []
    for seed in SEEDS:
        torch.manual_seed(seed)
        for start in range(0, len(prompts), BATCH):
            texts += _sample(opened.model, opened.tokenizer, prompts[start : start + BATCH])
    random.Random(SEEDS[0]).shuffle(texts)
    texts = [text.strip() for text in texts if len(text.split()) > 40]
    Path(__file__).with_name("samples.txt").write_text(SEPARATOR.join(texts), encoding="utf-8")


if __name__ == "__main__":
    main()
