"""Many texts to be mapped: where they come from, what is known of each, and which words in them are looked at."""

from analysis.corpora.corpus import MOST_POINTS, MOST_TEXTS, Corpus, of_labelled
from analysis.corpora.files import LARGEST, WRITTEN_AS, from_plain_text, read_file
from analysis.corpora.occurrences import occurrences
from analysis.corpora.tables import from_table

__all__ = [
    "LARGEST",
    "MOST_POINTS",
    "MOST_TEXTS",
    "WRITTEN_AS",
    "Corpus",
    "from_plain_text",
    "from_table",
    "occurrences",
    "of_labelled",
    "read_file",
]
