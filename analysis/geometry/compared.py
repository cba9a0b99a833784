"""One measure of a model, beside the same measure of what it could be mistaken for."""

from dataclasses import dataclass
from typing import Literal

from analysis.methods.geometry import Measured

ControlName = Literal["shuffled", "untrained", "gaussian"]
CONTROLS: dict[ControlName, str] = {
    "shuffled": "shuffled tokens",
    "untrained": "random-weights model",
    "gaussian": "standard normal cloud",
}
"""What a model is held against, by id, with its name."""


@dataclass(frozen=True, eq=False)
class Compared:
    """One measure, of a model and of its controls; controls that were not taken are absent."""

    base: Measured
    shuffled: tuple[Measured, ...] = ()
    """Of texts whose tokens were dealt anew, once per draw."""
    untrained: Measured | None = None
    """Of a model of the same shape with random weights, reading the same texts."""
    gaussian: Measured | None = None
    """Of a standard normal cloud of as many points; it has two layers, and they are alike."""
    outliers: Measured | None = None
    """Of the same texts with first tokens and outliers of norm among the points."""

    def of(self, control: ControlName) -> tuple[Measured, ...]:
        """The curves of one control; none where it was not taken."""
        if control == "shuffled":
            return self.shuffled
        one = self.untrained if control == "untrained" else self.gaussian
        return () if one is None else (one,)

    def curves(self) -> tuple[tuple[str, Measured], ...]:
        """Every curve with the name of its subject, the model's own first."""
        controls = ((name, one) for id, name in CONTROLS.items() for one in self.of(id))
        own = [(self.base.name, self.base)]
        more = [] if self.outliers is None else [("outliers of norm among them", self.outliers)]
        return (*own, *controls, *more)
