"""Texts carried up through the layers together, so that what is changed at one layer can follow from what was below.

Every block runs once, whatever number of layers is changed: running all texts again from the start after every
change would take as many times as long as there are layers.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import psutil
from jaxtyping import Float32

from analysis.activations import Row, Trace
from analysis.captures import batches, pick, places
from analysis.edits import BASE, Edit, Site, Variant
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.labelled import LabelledSet
from analysis.models.loaded import MEMORY_SHARE, LoadedModel


class Climb:
    """All texts of a labelled set at one layer, under the changes made below it.

    Args:
        model: the model.
        given: the examples; texts that come again are run once.
        spot: where an example is read, one of `captures.SPOTS`.
        layer: to begin at, 0 to L.
        report: progress in texts; raises `Cancelled` to stop.

    Raises:
        AnalysisError: a text is too long for the model (its number is named), or all of them for memory.
    """

    def __init__(
        self, model: LoadedModel, given: LabelledSet, spot: str, layer: int = 0, report: Report = silent
    ):
        self.layer = layer
        self._model, self._examples = model, len(given)
        texts = places(model, given, spot)
        self._batches = [[texts[n] for n in batch] for batch in batches(list(range(len(texts))), texts)]
        self._require_room()
        self._traces: list[Trace] = []
        for batch in self._batches:
            report("Reading texts", len(self._traces), len(self._batches))
            self._traces.append(model.run([tokens for tokens, _ in batch], read=(Site(layer),)))

    def states(self) -> Float32[np.ndarray, "example d_model"]:
        """The residual stream of every example at this layer."""
        found = np.empty((self._examples, self._model.d_model), np.float32)
        for batch, trace in zip(self._batches, self._traces, strict=True):
            pick(trace, Site(self.layer), batch, found)
        return found

    def step(self, edits: Sequence[Edit], report: Report = silent) -> None:
        """Change this layer's states, and carry all texts through the block above it.

        Args:
            edits: at this layer's residual stream.
            report: progress in batches; raises `Cancelled` to stop, after which the climb is of no use.

        Raises:
            AnalysisError: this is the last layer, or the edits lead to numbers that are not finite.
        """
        if self.layer == self._model.n_layers:
            raise AnalysisError(f"Layer {self.layer} is the last one; there is no block above it.")
        site, variant = Site(self.layer + 1), Variant("changed", tuple(edits))
        for number, trace in enumerate(self._traces):
            report(f"Carrying texts to layer {site.layer}", number, len(self._traces))
            changed = self._model.rerun(trace, read=(site,), variants=(variant,))
            # the next block starts from what was changed here, so that is its unedited run
            rows = tuple(Row(row.prompt, BASE.name) for row in changed.rows)
            self._traces[number] = replace(changed, rows=rows)
        self.layer += 1

    def _require_room(self) -> None:
        tokens = sum(len(batch) * max(len(text) for text, _ in batch) for batch in self._batches)
        needed, room = 4 * tokens * self._model.d_model, psutil.virtual_memory().available * MEMORY_SHARE
        if needed > room:
            raise AnalysisError(
                f"Holding {tokens:,} tokens at one layer takes {needed / 2**30:.1f} GiB; {room / 2**30:.1f} GiB may be "
                "used. Take fewer or shorter texts."
            )
