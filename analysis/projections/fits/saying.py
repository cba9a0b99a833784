"""How libraries that print their progress are heard."""

import re
from collections.abc import Callable
from typing import Protocol, runtime_checkable


@runtime_checkable
class Say(Protocol):
    """How a task tells what it is doing, and how much of it is done."""

    def __call__(self, message: str, done: float = 0, total: float | None = None) -> None:
        """Pass it on; costs little, so it may be called often."""
        ...


class Printed:
    """A file to print to, from whose lines the number of steps done is read.

    Args:
        pattern: its first group is the number.
        hear: is called with it.
    """

    def __init__(self, pattern: str, hear: Callable[[int], None]):
        self._pattern, self._hear = re.compile(pattern), hear

    def write(self, text: str) -> int:
        """Look for the last number in what is printed."""
        if found := self._pattern.findall(text):
            self._hear(int(found[-1]))
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back."""


def bar(message: str, total: int, say: Say) -> dict:
    """Settings of a tqdm bar that says its steps instead of drawing them."""
    heard = Printed(r"(\d+)", lambda done: say(message, done, total))
    return {"file": heard, "bar_format": "{n}", "mininterval": 0.1, "disable": False}
