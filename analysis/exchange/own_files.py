"""Directions, erasures and recipes as safetensors files of this program: they keep everything and come back exactly."""

import hashlib
import json
from typing import Any, get_args

import numpy as np
from safetensors.numpy import save

from analysis import store
from analysis.directions import Direction, Probe, Separation
from analysis.edits import Stream
from analysis.erasers.erasure import Erasure
from analysis.exchange import checks, erasure_parts
from analysis.exchange.checks import (
    MOST_BYTES,
    MOST_DOSES,
    MOST_ERASURES,
    MOST_HEADER,
    MOST_LAYERS,
    Arrays,
    Content,
    Wrong,
    a,
    parsed,
    shown,
)
from analysis.exchange.foreign import opened, plain_direction
from analysis.recipes import OPERATIONS, Dose, Recipe

KEY, VERSION = "bathyscope", 1
"""The metadata key under which a safetensors file of this program says what it holds, and in which form."""
ERASES = 2
"""The form of a recipe with erasures; what knows none of them asks for a newer Bathyscope."""
DIRECTION, RECIPE, ERASURE = FORMATS = ("direction", "recipe", "erasure")
Kept = Direction | Recipe | Erasure
FORMAT_OF: dict[type, str] = {Direction: DIRECTION, Recipe: RECIPE, Erasure: ERASURE}
TEXTS = ("name", "weights", "how", "source", "why")
SEPARATION, PROBE = ("accuracy", "error", "shuffled", "gap"), ("middle", "half_gap")
"""The texts of a direction, and the numbers of its parts."""


def to_safetensors(direction: Direction) -> bytes:
    """A file with everything a direction knows: `values` [layer, d_model], `probe` [d_model], metadata.

    Raises:
        AnalysisError: a part of it is longer or larger than could be read again.
    """
    return save(*parts(direction))


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
            _, content = _content(arrays, metadata, DIRECTION)
            return _joined(content, arrays)
        return plain_direction(arrays, name, layer)


def erasure_to_bytes(erasure: Erasure) -> bytes:
    """A file with everything an erasure knows, arrays as `erasure_parts` lays them out.

    Raises:
        AnalysisError: a part of it is longer or larger than could be read again.
    """
    return save(*parts(erasure))


def erasure_from_bytes(data: bytes) -> Erasure:
    """Read what `erasure_to_bytes` wrote, exactly.

    Raises:
        AnalysisError: damaged, or no erasure.
    """
    return _own(data, ERASURE)


def recipe_to_bytes(recipe: Recipe) -> bytes:
    """One safetensors file with a recipe and all its directions and erasures.

    Raises:
        AnalysisError: a part of it is longer or larger than could be read again.
    """
    return save(*parts(recipe))


def recipe_from_bytes(data: bytes) -> Recipe:
    """Read what `recipe_to_bytes` wrote, exactly; doses of one direction share it.

    Raises:
        AnalysisError: damaged, or no recipe.
    """
    return _own(data, RECIPE)


def recipe_or_erasure_from_bytes(data: bytes) -> Recipe | Erasure:
    """Read what `recipe_to_bytes` or `erasure_to_bytes` wrote, exactly.

    Raises:
        AnalysisError: damaged, or neither.
    """
    return _own(data, RECIPE, ERASURE)


def parts(kept: Kept) -> tuple[Arrays, dict[str, str]]:
    """Tensors and metadata of a file, checked to be readable; raises as the file's writer."""
    with checks.writing(kept.name):
        kind = FORMAT_OF[type(kept)]
        content, arrays = APART[kind](kept)
        JOINED[kind](content, arrays)
        return arrays, _metadata(kind, content, arrays)


def content_key(kept: Kept) -> str:
    """16 hex digits of what it is, whatever it is called; the same as long as files are."""
    content, arrays = APART[FORMAT_OF[type(kept)]](kept)
    return _checksum(content | {"name": ""}, arrays)[:16]


def _own(data: bytes, *kinds: str) -> Any:
    """What a file of this program holds, which has to be one of these kinds."""
    with checks.reading():
        arrays, metadata = opened(data)
        if KEY not in metadata:
            raise Wrong(f"it holds vectors and no {' or '.join(kinds)}", "Open it as a direction.")
        kind, content = _content(arrays, metadata, *kinds)
        return JOINED[kind](content, arrays)


def _content(arrays: Arrays, metadata: dict[str, str], *kinds: str) -> tuple[str, Any]:
    """Which of the kinds it is, and what it says."""
    said = parsed(metadata[KEY])
    checks.require_fields(said, "header", ("format", "version", "checksum", "content"))
    kind, version = said["format"], said["version"]
    if kind not in kinds and kind in FORMATS:
        raise Wrong(f"it holds {a(kind)} and no {' or '.join(kinds)}", f"Open it as {a(kind)}.")
    if kind not in kinds or version != _version(said["content"]):
        raise Wrong(
            f"it calls itself {shown(kind)} of version {shown(version)}; {VERSION} is known, and {ERASES} for recipes "
            "with erasures",
            "Open it with a newer Bathyscope.",
        )
    if said["checksum"] != _checksum(said["content"], arrays):
        raise Wrong("its contents do not match its checksum")
    return kind, said["content"]


def _version(content: Any) -> int:
    """The form of the file with this content: whatever can be read by older programs is written for them."""
    return ERASES if isinstance(content, dict) and "erasures" in content else VERSION


def _metadata(kind: str, content: Content, arrays: Arrays) -> dict[str, str]:
    said = {
        "format": kind,
        "version": _version(content),
        "checksum": _checksum(content, arrays),
        "content": content,
    }
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
    content: Content = {"name": str(recipe.name), "directions": directions, "doses": doses}
    if recipe.erasures:
        content["erasures"] = []
    for place, erasure in enumerate(recipe.erasures):
        own_content, own = erasure_parts.apart(erasure)
        content["erasures"].append(own_content)
        arrays |= {f"{_erasure_place(place)}{name}": array for name, array in own.items()}
    return content, arrays


def _erasure_place(number: int) -> str:
    return f"erasure.{number}."


def _dose_apart(dose: Dose, place: int) -> Content:
    return {
        "direction": place,
        "operation": dose.operation,
        "strength": float(dose.strength),
        "layers": [int(layer) for layer in dose.layers],
        "positions": erasure_parts.positions_apart(dose.positions),
        "stream": dose.stream,
    }


def _joined_recipe(content: Any, arrays: Arrays) -> Recipe:
    erases = _version(content) == ERASES
    checks.require_fields(content, "recipe", ("name", "directions", "doses", *["erasures"] * erases))
    directions = [
        _joined(direction, arrays, f"{place}.")
        for place, direction in enumerate(checks.items(content["directions"], "directions", MOST_DOSES))
    ]
    erasures = checks.items(content["erasures"], "erasures", MOST_ERASURES) if erases else []
    doses = checks.items(content["doses"], "doses", MOST_DOSES)
    return Recipe(
        checks.text(content["name"], "name"),
        tuple(_dose(dose, directions) for dose in doses),
        tuple(
            erasure_parts.joined(erasure, arrays, _erasure_place(number))
            for number, erasure in enumerate(erasures)
        ),
    )


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
        positions=checks.positions(content["positions"]),
        stream=checks.choice(content["stream"], "stream", get_args(Stream)),
    )


APART = {DIRECTION: _apart, RECIPE: _recipe_apart, ERASURE: erasure_parts.apart}
JOINED = {DIRECTION: _joined, RECIPE: _joined_recipe, ERASURE: erasure_parts.joined}
"""By kind of file: how what it holds is taken apart, and put together again."""
