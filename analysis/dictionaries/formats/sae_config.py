"""What a folder in SAELens' format says of its dictionary, before its weights are looked at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.dictionaries.formats.hook_names import site_of
from analysis.edits import Site
from analysis.errors import AnalysisError
from analysis.models.files import read_json_file

CONFIG = "cfg.json"
KIND = "bathyscope_kind"
"""In the metadata of dictionaries that SAELens has no architecture for."""
LABELS = {
    "standard": "ReLU",
    "topk": "TopK",
    "batchtopk": "BatchTopK",
    "jumprelu": "JumpReLU",
    "gated": "gated",
    "matching_pursuit": "matching pursuit",
    "linear": "linear",
    "groupmax": "GroupMax",
    "factors": "factors",
}
"""Architectures that can be read, as a person calls them."""
NORMALIZATIONS = ("none", "expected_average_only_in", "constant_norm_rescale", "layer_norm")
OLD_NAMES = {"hook_point": "hook_name", "hook_point_head_index": "hook_head_index"}
"""Keys before version 6, and what they are now."""
OLD_METADATA = (
    *(
        "model_name",
        "hook_name",
        "hook_head_index",
        "prepend_bos",
        "neuronpedia_id",
        "context_size",
        "dataset_path",
    ),
    "sae_lens_training_version",
)
MOST_FEATURES, MOST_WIDTH = 20_000_000, 1_000_000


@dataclass(frozen=True)
class SaeConfig:
    """A checked `cfg.json`."""

    architecture: str
    """A key of `LABELS`."""
    site: Site
    width: int
    features: int
    k: int | None
    """Of TopK and of matching pursuit."""
    model: str
    """The model it was made for; empty where nobody says."""
    applies_bias: bool
    """True if the decoder's bias is taken off before encoding."""
    normalizes: str
    """One of `NORMALIZATIONS`."""
    rescales: bool
    """True if TopK chooses by activation times the decoder row's length."""
    card: dict[str, Any] = field(default_factory=dict)
    """The metadata, and under `assumed` what was not said and had to be."""
    said: Mapping[str, Any] = field(default_factory=dict)
    """The file's other entries."""


def read_config(folder: Path) -> SaeConfig:
    """What a folder's `cfg.json` says.

    Raises:
        AnalysisError: it is missing or damaged, names an architecture, a normalisation or a place that is not known
            here, or its numbers make no sense.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise AnalysisError(
            f"{folder} has no {CONFIG}, so it is no dictionary as SAELens or sparsify writes one. Give the folder that "
            "holds it."
        )
    said = read_json_file(path)
    assumed: list[str] = []
    if not _is_six(said):
        said = _modernized(said, assumed)
    card = said["metadata"] if isinstance(said.get("metadata"), dict) else {}
    return _checked(path, said, dict(card), assumed)


def _is_six(said: Mapping[str, Any]) -> bool:
    metadata = said.get("metadata")
    version = said.get("sae_lens_version") or (
        isinstance(metadata, dict) and metadata.get("sae_lens_version")
    )
    first = str(version or "0").partition(".")[0]
    return first.isdecimal() and int(first) >= 6


def _modernized(said: Mapping[str, Any], assumed: list[str]) -> dict[str, Any]:
    """A file from before SAELens 6, whose entries lay flat and were often left out."""
    new = {OLD_NAMES.get(name, name): value for name, value in said.items()}
    if isinstance(new.get("metadata"), dict):  # written by hand, without a version
        new = new["metadata"] | new
    activation = str(new.get("activation_fn_str") or new.get("activation_fn") or "relu")
    arguments = new.get("activation_fn_kwargs")
    if activation == "topk" and isinstance(arguments, dict) and "k" in arguments:
        new |= {"architecture": "topk", "k": arguments["k"]}
    elif activation != "relu":
        raise AnalysisError(
            f"A dictionary whose activation is {activation[:40]!r} cannot be read; ReLU and TopK can."
        )
    defaults = {"architecture": "standard", "apply_b_dec_to_input": True, "normalize_activations": "none"}
    missing = {name: value for name, value in defaults.items() if new.get(name) is None}
    if isinstance(new.get("normalize_activations"), bool):
        new["normalize_activations"] = "expected_average_only_in" if new["normalize_activations"] else "none"
    assumed += [f"{name} is {value}" for name, value in missing.items()]
    metadata = {name: new[name] for name in OLD_METADATA if new.get(name) is not None}
    return (
        new
        | missing
        | {"metadata": metadata | {"sae_lens_version": str(new.get("sae_lens_version") or "before 6")}}
    )


def _checked(path: Path, said: Mapping[str, Any], card: dict[str, Any], assumed: list[str]) -> SaeConfig:
    architecture = _architecture(path, said)
    _require_plain(path, said, card)
    normalizes = str(said.get("normalize_activations") or "none")
    if normalizes not in NORMALIZATIONS:
        raise AnalysisError(
            f"{path} wants its input normalised by {normalizes[:60]!r}, which is not known here; known are "
            f"{', '.join(NORMALIZATIONS)}. Fold the normalisation into the weights with the tool that made it."
        )
    hook = card.get("hook_name")
    if not isinstance(hook, str) or not hook:
        raise AnalysisError(
            f"{path} does not say where its dictionary reads. Write metadata.hook_name into it."
        )
    if assumed:
        card["assumed"] = "; ".join(assumed)
    features = _count(path, said, "d_sae", MOST_FEATURES)
    k = said.get("max_iterations") if architecture == "matching_pursuit" else said.get("k")
    return SaeConfig(
        architecture,
        site_of(hook),
        _count(path, said, "d_in", MOST_WIDTH),
        features,
        _k(path, k, features, architecture),
        str(card.get("model_name") or ""),
        bool(said.get("apply_b_dec_to_input", True)),
        normalizes,
        bool(said.get("rescale_acts_by_decoder_norm", False)),
        card,
        {name: value for name, value in said.items() if name != "metadata"},
    )


def _architecture(path: Path, said: Mapping[str, Any]) -> str:
    named = said.get("architecture", "standard")
    if isinstance(named, str) and "transcoder" in named:
        raise AnalysisError(
            f"{path} is of a transcoder, which reads in one place and writes in another. Only dictionaries that "
            "rebuild what they read can be used here; choose a sparse autoencoder."
        )
    if named not in LABELS:
        raise AnalysisError(
            f"{path} names the architecture {str(named)[:60]!r}, which is not known here; known are "
            f"{', '.join(LABELS)}. Choose a dictionary of one of these."
        )
    return named


def _require_plain(path: Path, said: Mapping[str, Any], card: Mapping[str, Any]) -> None:
    if (
        said.get("reshape_activations", "none") not in ("none", None)
        or card.get("hook_head_index") is not None
    ):
        raise AnalysisError(
            f"{path} is of a dictionary of single attention heads, which are not read here. Choose one of the residual "
            "stream, or of what attention adds as a whole (hook_attn_out)."
        )


def _count(path: Path, said: Mapping[str, Any], name: str, most: int) -> int:
    value = said.get(name)
    if type(value) is not int or not 1 <= value <= most:
        raise AnalysisError(
            f"{path} has {name} = {str(value)[:40]}; expected a whole number from 1 on. Download it again."
        )
    return value


def _k(path: Path, k: Any, features: int, architecture: str) -> int | None:
    if architecture not in ("topk", "batchtopk", "groupmax") and k is None:
        return None
    if type(k) is not int or not 1 <= k <= features:
        raise AnalysisError(
            f"{path} keeps k = {str(k)[:40]} of its {features:,} features active; expected a whole number from 1 to "
            f"{features:,}. Correct it, or download the folder again."
        )
    return k
