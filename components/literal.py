"""Model text inside Markdown, shown as it is: nothing in it is markup."""

import re


def literal(text: str) -> str:
    """The text as a Markdown code span, in which no character has a meaning.

    The fence is longer than any run of backticks inside; line ends cannot occur in shown tokens.
    """
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    # one space at both ends is taken away again, unless there is nothing else
    spaced = text[:1] == text[-1:] == " " and text.strip(" ")
    pad = " " if text.startswith("`") or text.endswith("`") or spaced else ""
    return f"{fence}{pad}{text}{pad}{fence}" if text else "(nothing)"


def plain(sentence: str) -> str:
    """Running text in which no character is markup: Markdown's signs are escaped, line ends are spaces."""
    return re.sub(r"([\\`*_{}\[\]<>()#+\-.!|$~:^&=])", r"\\\1", " ".join(sentence.split()))


def for_plotly(text: str) -> str:
    """The text for a plotly label, which otherwise reads a few HTML tags."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
