"""Directions and recipes as safetensors files of this program, which keep everything and come back exactly."""

import hashlib
import json
from typing import Any, get_args

import numpy as np
from safetensors.numpy import save

from analysis import store
from analysis.directions import Direction, Probe, Separation
from analysis.edits import Stream
from analysis.exchange import checks
from analysis.exchange.checks import (
    MOST_BYTES,
    MOST_DOSES,
    MOST_HEADER,
    MOST_LAYERS,
    MOST_POSITIONS,
    Arrays,
    Wrong,
    parsed,
    shown,
)
from analysis.exchange.foreign import opened, plain_direction
from analysis.recipes import OPERATIONS, Dose, Recipe

KEY, VERSION = "bathyscope", 1
"""The metadata key under which a safetensors file of this program says what it holds, and in which form."""
DIRECTION, RECIPE = "direction", "recipe"
TEXTS = ("name", "weights", "how", "source", "why")
SEPARATION, PROBE = ("accuracy", "error", "shuffled", "gap"), ("middle", "half_gap")
"""The texts of a direction, and the numbers of its parts."""

Content = dict[str, Any]
"""A direction or recipe as JSON holds it, without its arrays."""


def to_safetensors(direction: Direction) -> bytes:
    """A file with everything a direction knows: `values` [layer, d_model], `probe` [d_model], metadata.

    Raises:
        AnalysisError: a part of it is longer or larger than could be read again.
    """
    return save(*direction_parts(direction))


def from_safetensors(data: bytes, name: str = "imported", layer: int | None = None) -> Direction:
    """Read what `to_safetensors` wrote, exactly; or vectors that another tool saved.

    Of other tools, one vector, or several named `direction.<n>`, `layer.<n>`, `layers.<n>` or `<n>` are
    understood; n is taken as a layer here, counted from 0 at the embedding.

    Args:
        data: the file.
        name: what a direction of another tool will be called.
        layer: where a single vector belongs whose name does not tell; else unused.

    Raises:
        AnalysisError: damaged, no direction, or `layer` is needed.
    """
    with checks.reading(name):
        arrays, metadata = opened(data)
        if KEY in metadata:
            return _joined(_content(arrays, metadata, DIRECTION), arrays)
        return plain_direction(arrays, name, layer)


def recipe_to_bytes(recipe: Recipe) -> bytes:
    """One safetensors file with a recipe and all its directions.

    Raises:
        AnalysisError: a part of it is longer or larger than could be read again.
    """
    return save(*recipe_parts(recipe))


def recipe_from_bytes(data: bytes) -> Recipe:
    """Read what `recipe_to_bytes` wrote, exactly; doses of one direction share it.

    Raises:
        AnalysisError: damaged, or no recipe.
    """
    with checks.reading():
        arrays, metadata = opened(data)
        if KEY not in metadata:
            raise Wrong("it holds vectors and no recipe", "Open it as a direction.")
        return _joined_recipe(_content(arrays, metadata, RECIPE), arrays)


def direction_parts(direction: Direction) -> tuple[Arrays, dict[str, str]]:
    """Tensors and metadata of a direction's file, checked to be readable; raises as `to_safetensors`."""
    with checks.writing(direction.name):
        content, arrays = _apart(direction)
        _joined(content, arrays)
        return arrays, _metadata(DIRECTION, content, arrays)


def recipe_parts(recipe: Recipe) -> tuple[Arrays, dict[str, str]]:
    """Tensors and metadata of a recipe's file, checked to be readable; raises as `recipe_to_bytes`."""
    with checks.writing(recipe.name):
        content, arrays = _recipe_apart(recipe)
        _joined_recipe(content, arrays)
        return arrays, _metadata(RECIPE, content, arrays)


def content_key(kept: Direction | Recipe) -> str:
    """16 hex digits of what it is, whatever it is called; the same as long as files are."""
    content, arrays = _apart(kept) if isinstance(kept, Direction) else _recipe_apart(kept)
    return _checksum(content | {"name": ""}, arrays)[:16]


def _content(arrays: Arrays, metadata: dict[str, str], kind: str) -> Any:
    said = parsed(metadata[KEY])
    checks.require_fields(said, "header", ("format", "version", "checksum", "content"))
    if said["format"] != kind and said["format"] in (DIRECTION, RECIPE):
        raise Wrong(f"it holds a {said['format']} and no {kind}", f"Open it as a {said['format']}.")
    if said["format"] != kind or said["version"] != VERSION:
        raise Wrong(
            f"it says to be a {shown(said['format'])} of version {shown(said['version'])}; {VERSION} is known",
            "Open it with a newer Bathyscope.",
        )
    if said["checksum"] != _checksum(said["content"], arrays):
        raise Wrong("its contents do not match its checksum")
    return said["content"]


def _metadata(kind: str, content: Content, arrays: Arrays) -> dict[str, str]:
    said = {"format": kind, "version": VERSION, "checksum": _checksum(content, arrays), "content": content}
    text = json.dumps(said)
    size = sum(array.nbytes for array in arrays.values()) + MOST_HEADER
    if size > MOST_BYTES or 2 * len(json.dumps(text)) > MOST_HEADER:
        raise Wrong(
            f"it would have up to {store.size_text(size)} with {store.size_text(len(text))} of text; files of up "
            f"to {store.size_text(MOST_BYTES)} with {store.size_text(MOST_HEADER // 2)} of text are read again"
        )
    # one key only: safetensors writes several in an order that changes
    return {KEY: text}


def _checksum(content: Any, arrays: Arrays) -> str:
    # not `fingerprint`: its version ends caches, and must not make files unreadable
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"\0{name}\0{array.shape}\0".encode("utf-8", "surrogatepass"))
        digest.update(np.ascontiguousarray(array, dtype="<f4").tobytes())
    return digest.hexdigest()


# ---- what files of this program hold


def _apart(direction: Direction) -> tuple[Content, Arrays]:
    probe = direction.probe
    content = {field: str(getattr(direction, field)) for field in TEXTS} | {
        "layers": [int(layer) for layer in direction.layers],
        "layer": int(direction.layer),
        "separation": [_numbers_of(separation, SEPARATION) for separation in direction.separation],
        "probe": None if probe is None else _numbers_of(probe, PROBE),
    }
    return content, {"values": direction.values} | ({} if probe is None else {"probe": probe.weights})


def _numbers_of(part: Separation | Probe, fields: tuple[str, ...]) -> Content:
    values = {field: float(getattr(part, field)) for field in fields}
    return {"layer": int(part.layer)} | values


def _joined(content: Any, arrays: Arrays, place: str = "") -> Direction:
    checks.require_fields(content, "direction", (*TEXTS, "layers", "layer", "separation", "probe"))
    values = checks.array(arrays, f"{place}values", 2)
    return Direction(
        **{field: checks.text(content[field], field) for field in TEXTS},
        layers=tuple(checks.layer(layer) for layer in checks.items(content["layers"], "layers", MOST_LAYERS)),
        values=checks.usable(values),
        layer=checks.layer(content["layer"]),
        separation=tuple(
            _separation(s) for s in checks.items(content["separation"], "separation", MOST_LAYERS)
        ),
        probe=_probe(content["probe"], arrays, place, values.shape[1]),
    )


def _separation(content: Any) -> Separation:
    checks.require_fields(content, "separation", ("layer", *SEPARATION))
    return Separation(
        layer=checks.layer(content["layer"]),
        accuracy=checks.number(content["accuracy"], "accuracy", 0, 1),
        error=checks.number(content["error"], "error", 0),
        shuffled=checks.number(content["shuffled"], "shuffled accuracy", 0, 1),
        gap=checks.number(content["gap"], "gap"),
    )


def _probe(content: Any, arrays: Arrays, place: str, d_model: int) -> Probe | None:
    if content is None:
        return None
    checks.require_fields(content, "probe", ("layer", *PROBE))
    weights = checks.array(arrays, f"{place}probe", 1)
    half_gap = checks.number(content["half_gap"], "half gap", 0)
    if len(weights) != d_model or not np.isfinite(weights).all() or not half_gap:
        raise Wrong(
            f"its probe has {len(weights)} numbers and a half gap of {half_gap:g}; expected {d_model} finite "
            "numbers and a gap above 0"
        )
    return Probe(
        checks.layer(content["layer"]), weights, checks.number(content["middle"], "middle"), half_gap
    )


def _recipe_apart(recipe: Recipe) -> tuple[Content, Arrays]:
    directions, doses, arrays, places = [], [], {}, {}
    for dose in recipe.doses:
        content, own = _apart(dose.direction)
        place = places.setdefault(_checksum(content, own), len(places))
        if place == len(directions):
            directions.append(content)
            arrays |= {f"{place}.{name}": array for name, array in own.items()}
        doses.append(_dose_apart(dose, place))
    return {"name": str(recipe.name), "directions": directions, "doses": doses}, arrays


def _dose_apart(dose: Dose, place: int) -> Content:
    at = dose.positions
    return {
        "direction": place,
        "operation": dose.operation,
        "strength": float(dose.strength),
        "layers": [int(layer) for layer in dose.layers],
        "positions": at if isinstance(at, str) else [int(position) for position in at],
        "stream": dose.stream,
    }


def _joined_recipe(content: Any, arrays: Arrays) -> Recipe:
    checks.require_fields(content, "recipe", ("name", "directions", "doses"))
    directions = [
        _joined(direction, arrays, f"{place}.")
        for place, direction in enumerate(checks.items(content["directions"], "directions", MOST_DOSES))
    ]
    doses = checks.items(content["doses"], "doses", MOST_DOSES)
    return Recipe(checks.text(content["name"], "name"), tuple(_dose(dose, directions) for dose in doses))


def _dose(content: Any, directions: list[Direction]) -> Dose:
    checks.require_fields(
        content, "dose", ("direction", "operation", "strength", "layers", "positions", "stream")
    )
    layers = checks.items(content["layers"], "layers of a dose", 2)
    if len(layers) != 2:
        raise Wrong(f"a dose has {len(layers)} layers; expected the first and the last")
    return Dose(
        direction=directions[checks.whole(content["direction"], "direction of a dose", len(directions) - 1)],
        strength=checks.number(content["strength"], "strength"),
        layers=(checks.layer(layers[0]), checks.layer(layers[1])),
        operation=checks.choice(content["operation"], "operation", tuple(OPERATIONS)),
        positions=_positions(content["positions"]),
        stream=checks.choice(content["stream"], "stream", get_args(Stream)),
    )


def _positions(content: Any) -> Any:
    if isinstance(content, str):
        return checks.choice(content, "positions", ("all", "prompt", "generated"))
    return tuple(
        checks.whole(position, "position", 10**9)
        for position in checks.items(content, "positions", MOST_POSITIONS)
    )
