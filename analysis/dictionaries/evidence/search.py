"""Finding features by what is known of them: words in labels and tokens, and bounds on their numbers."""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int64

FIELDS = {"label": "label", "top_token": "top token", "promoted": "promotes", "suppressed": "suppresses"}
"""Columns of a table of features that are searched, the most telling first, and what they are called."""
FOUND = "found in"
"""Name of the column that says where a feature was found."""
WHOLE, PREFIX, INSIDE, APART, NOWHERE = range(5)
"""How well a text fits: as whole words, as the beginning of one, inside of one, word by word, not at all."""
KINDS = {
    "token": "one token",
    "context": "context",
    "positional": "position",
    "dense": "dense",
    "dead": "dead",
}
"""Kinds of features by id, as a table of features names them, and what they are called."""
_SPACES = "·␣▁ġ\n\t\r"
"""What stands for a space where it has to be seen, case folded."""
_END = "\0"
"""Between texts that are folded as one."""


def folded(text: str) -> str:
    """The text by which two are held to be the same: case folded, visible spaces as spaces, runs of them as one."""
    return _all_folded(pd.Series([text]))[0].strip()


def search(table: pd.DataFrame, query: str) -> pd.DataFrame:
    """The features that a query finds, the best first.

    A feature of that number comes first. Then whole words come before beginnings of words, these before parts of
    words, and these before texts that have all words of the query in another order; among equals a label comes before
    a top token, before promoted and suppressed tokens; then the table's own order decides. Case and spaces do not
    count.

    Args:
        table: one row per feature with a column `feature` and any of `FIELDS`; cells of tokens are joined by spaces.
        query: words, a token, or a number; nothing finds everything.

    Returns:
        Rows of the table with a column `found in`.

    Misleads when: a label is wrong: it is a guess from examples.
    """
    wanted = folded(query)
    if not wanted:
        return table.assign(**{FOUND: ""})
    columns = [name for name in FIELDS if name in table]
    grades = np.stack([graded(table[name], wanted) for name in columns], axis=1)
    numbered = _numbered(table, wanted)
    ranks = np.where(
        grades < NOWHERE, grades * len(columns) + np.arange(len(columns)), NOWHERE * len(columns)
    )
    where = np.where(numbered, "number", np.array([FIELDS[name] for name in columns])[ranks.argmin(1)])
    rank = np.where(numbered, -1, ranks.min(1))
    order = np.argsort(rank, kind="stable")
    order = order[rank[order] < NOWHERE * len(columns)]
    return table.iloc[order].assign(**{FOUND: where[order]})


def graded(texts: pd.Series, wanted: str) -> Int64[np.ndarray, " feature"]:
    """How well each text fits a folded query: `WHOLE` to `NOWHERE`."""
    whole = re.compile(rf"(?<!\w){re.escape(wanted)}(?!\w)")
    prefix = re.compile(rf"(?<!\w){re.escape(wanted)}")
    words = wanted.split()
    grades = np.full(len(texts), NOWHERE)
    for row, text in enumerate(_all_folded(texts)):
        if wanted in text:
            grades[row] = WHOLE if whole.search(text) else PREFIX if prefix.search(text) else INSIDE
        elif len(words) > 1 and all(word in text for word in words):
            grades[row] = APART
    return grades


@dataclass(frozen=True)
class Sieve:
    """Bounds that a feature has to keep to be listed; what is not known of it keeps no bound."""

    frequency: tuple[float, float] = (0.0, 1.0)
    """Lowest and highest share of tokens it fires on."""
    precision: float = 0.0
    """Least share of its activation on its top token, 0 to 1."""
    detection: float = 0.0
    """Least balanced accuracy of its label on held-out text, 0 to 1."""
    direct: float = 0.0
    """Least spread of the logits that it adds on the direct path."""
    effect: float = 0.0
    """Least size of what zeroing it does to the loss, in nats, whatever the sign."""
    kinds: tuple[str, ...] = ()
    """Ids of `KINDS`; none is all."""

    def keeps(self, table: pd.DataFrame) -> Bool[np.ndarray, " feature"]:
        """True for every feature that is listed."""
        low, high = self.frequency
        frequency = table["frequency"].to_numpy(np.float64)
        kept = (frequency >= low) & (frequency <= high)
        least = {
            "token_precision": self.precision,
            "detection": self.detection,
            "direct": self.direct,
            "effect": self.effect,
        }
        for name, bound in least.items():
            if bound > 0:
                kept &= np.abs(table[name].to_numpy(np.float64)) >= bound
        return kept & table["kind"].isin(self.kinds).to_numpy() if self.kinds else kept


def _all_folded(texts: pd.Series) -> list[str]:
    """All texts folded, as one: one by one would take most of the time of a search."""
    cells = (str(text).replace(_END, " ") for text in texts.fillna("").tolist())
    together = _END.join(cells).casefold()
    for sign in _SPACES:
        together = together.replace(sign, " ")
    while "  " in together:
        together = together.replace("  ", " ")
    return together.split(_END)


def _numbered(table: pd.DataFrame, wanted: str) -> Bool[np.ndarray, " feature"]:
    """True for the feature whose number is asked for, with or without #."""
    digits = wanted.removeprefix("#")
    if not digits.isdecimal() or len(digits) > 9:
        return np.zeros(len(table), bool)
    return (table["feature"] == int(digits)).to_numpy()
