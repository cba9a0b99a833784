"""One picture for every layer, in which points do not jump: each starts from the one below and is turned onto it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Float, Float32

from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.maps.basis import Read, per_layer
from analysis.maps.procrustes import aligned
from analysis.maps.scaling import scaled
from analysis.projections.client import Client, worker
from analysis.projections.distinct import Distinct, distinct, require_different, require_drawable
from analysis.projections.kinds import PROJECTIONS


@dataclass(frozen=True, eq=False)
class Frames:
    """Pictures of the same points."""

    coordinates: Float32[np.ndarray, "layer point axis"]
    recall: float
    """Share of true neighbours they were made from, 0 to 1; the lowest of all layers."""
    used: tuple[tuple[str, str], ...]
    """What was taken in place of what was asked for, and how many passes were made."""

    def __post_init__(self):
        self.coordinates.flags.writeable = False


def lay_out(
    read: Read,
    layers: Sequence[int],
    id: str,
    params: object,
    *,
    scale: str = "unit",
    n_axes: int = 2,
    seed: int = 0,
    client: Client | None = None,
    report: Report = silent,
) -> Frames:
    """A projection that is not linear, at several layers.

    Every layer is turned onto the one below and drawn at the same size, a root mean square radius of 1: what can be
    turned or scaled away is no movement.

    Args:
        read: gives a layer's states, of the same points at every layer.
        layers: ascending.
        id: `umap`, `aligned`, `tsne` or `pacmap`.
        params: its knobs.
        scale: one of `scaling.SCALES`.
        n_axes: 2 or 3.
        seed: of what the method draws.
        client: the process that computes; None is the app's.
        report: progress in layers; raises `Cancelled` to stop.

    Raises:
        AnalysisError: fewer than four points differ, numbers are not finite, or the process ended.

    Source: see `PROJECTIONS`.
    """
    task = _Task(read, tuple(layers), id, params, scale, n_axes, seed, client or worker(), report)
    return task.at_once() if id == "aligned" else task.one_by_one()


@dataclass(frozen=True, eq=False)
class _Task:
    read: Read
    layers: tuple[int, ...]
    id: str
    params: object
    scale: str
    n_axes: int
    seed: int
    client: Client
    report: Report

    def one_by_one(self) -> Frames:
        """Each layer by itself, from its own principal axes or from the picture below."""
        frames, facts = [], []
        for number, layer in enumerate(self.layers):
            self._report_within(number)("Reading states")
            states = self._states(layer)
            points = self._distinct((states,), f"at layer {layer}")
            goes_on = self.params.chained and number > 0
            start = frames[-1] if goes_on else self._principal([layer])[0]
            arrays = {"states": states[points.first], "init": start[points.first]}
            settings = self._settings(len(points)) | self._start(goes_on)
            answer = self.client.ask(self.id, arrays, settings, self._report_within(number))
            drawn = answer.arrays["coordinates"][points.which]
            frames.append(aligned(drawn, frames[-1]) if frames else drawn)
            facts.append(answer.facts | {"asked": settings})
        return self._frames(np.stack(frames), facts)

    def at_once(self) -> Frames:
        """All layers together."""
        states = np.stack([self._states(layer) for layer in self.layers])
        points = self._distinct(tuple(states), "at these layers")
        start = np.stack(self._principal(self.layers))
        settings = self._settings(len(points))
        arrays = {"states": states[:, points.first], "init": start[:, points.first]}
        answer = self.client.ask(self.id, arrays, settings, self.report)
        frames: list[np.ndarray] = []
        for drawn in answer.arrays["coordinates"][:, points.which]:
            frames.append(aligned(drawn, frames[-1]) if frames else drawn)
        return self._frames(np.stack(frames), [answer.facts | {"asked": settings}])

    def _states(self, layer: int) -> Float32[np.ndarray, "point d_model"]:
        states = scaled(np.ascontiguousarray(self.read(layer)), self.scale)
        require_drawable(states, layer)
        return states

    def _distinct(self, tables: tuple[np.ndarray, ...], where: str) -> Distinct:
        found = distinct(*tables)
        require_different(found, where, PROJECTIONS[self.id].title)
        return found

    def _principal(self, layers: Sequence[int]) -> list[Float32[np.ndarray, "point axis"]]:
        basis = per_layer(self.read, layers, self.n_axes, self.scale, self.report)
        return [basis.project(self.read(layer), layer) for layer in layers]

    def _settings(self, points: int) -> dict:
        """The knobs, within what so many points allow."""
        settings = asdict(self.params) | {"seed": self.seed}
        settings.pop("chained", None)
        if "neighbours" in settings:
            settings["neighbours"] = min(settings["neighbours"], points - 1)
        if "perplexity" in settings:
            settings["perplexity"] = min(settings["perplexity"], (points - 1) / 3)
        return settings

    def _start(self, goes_on: bool) -> dict:
        return {"goes_on": goes_on} if self.id in ("tsne", "pacmap") else {}

    def _report_within(self, number: int) -> Report:
        """Progress of one layer as progress of all."""

        def within(message: str, done: float = 0, total: float | None = None) -> None:
            share = done / total if total else 0
            text = f"Layer {self.layers[number]}: {message[0].lower()}{message[1:]}"
            self.report(text if total or "state" in message else message, number + share, len(self.layers))

        return within

    def _frames(self, coordinates: Float32[np.ndarray, "layer point axis"], facts: list[dict]) -> Frames:
        if not np.isfinite(coordinates).all():
            raise AnalysisError(
                f"{PROJECTIONS[self.id].title} found no place for some points. Take more neighbours."
            )
        passes = sorted({fact["passes"] for fact in facts})
        used = [("passes", " and ".join(map(str, passes))), *self._lowered(facts)]
        return Frames(
            _at_one_size(coordinates).astype(np.float32), min(fact["recall"] for fact in facts), tuple(used)
        )

    def _lowered(self, facts: list[dict]) -> list[tuple[str, str]]:
        """Neighbours or perplexity where points were too few for what was asked."""
        found = []
        for name in ("neighbours", "perplexity"):
            least = min(
                (fact.get(name, fact["asked"].get(name)) for fact in facts if name in fact["asked"]),
                default=None,
            )
            if least is not None and least < getattr(self.params, name):
                found.append((f"{name} that so few different points allow", f"{least:g}"))
        return found


def _at_one_size(
    coordinates: Float[np.ndarray, "layer point axis"],
) -> Float[np.ndarray, "layer point axis"]:
    """Every layer's picture about its middle, at a root mean square radius of 1."""
    centred = coordinates - coordinates.mean(1, keepdims=True)
    radius = np.sqrt((centred**2).sum(2).mean(1))[:, None, None]
    return centred / np.where(radius > 0, radius, 1)
