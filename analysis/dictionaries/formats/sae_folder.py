"""Dictionaries as folders in SAELens' format: `cfg.json` beside `sae_weights.safetensors`.

Read and written without SAELens. Weights may be float16 on disk; in memory they are float32. What SAELens has no
architecture for (linear components, GroupMax, factors) is written in the same form under an architecture's name of
its own, so that SAELens refuses it rather than misread it.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from analysis import store
from analysis.dictionaries.dictionary import Dictionary, SparseDictionary
from analysis.dictionaries.encoders import Encoder, Gated, GroupMax, JumpRelu, Linear, Relu, TopK
from analysis.dictionaries.formats.hook_names import hook_of, said
from analysis.dictionaries.formats.sae_config import CONFIG, KIND, SaeConfig, read_config
from analysis.dictionaries.formats.weights_file import read_weights
from analysis.dictionaries.matching_pursuit import MatchingPursuit
from analysis.dictionaries.rescaled import Rescaled
from analysis.dictionaries.without_training.factors import Factors
from analysis.errors import AnalysisError

WEIGHTS = "sae_weights.safetensors"
FORMAT = "6.54.12"
"""The version of SAELens whose format is written."""
LARGEST_HALF = 65_504.0
"""The largest number that float16 holds."""
UNKNOWN_TO_SAELENS = ("linear", "groupmax", "factors")
SHAPES = {
    "W_enc": lambda c: (c.width, c.features),
    "W_dec": lambda c: (c.features, c.width),
    "b_dec": lambda c: (c.width,),
    "b_enc": lambda c: (c.features,),
    "threshold": lambda c: (c.features,),
    "b_gate": lambda c: (c.features,),
    "b_mag": lambda c: (c.features,),
    "r_mag": lambda c: (c.features,),
}
"""What each tensor is shaped like."""
NEEDED = {
    "jumprelu": ("W_enc", "W_dec", "b_dec", "threshold"),
    "batchtopk": ("W_enc", "W_dec", "b_dec"),
    "gated": ("W_enc", "W_dec", "b_dec", "b_gate", "b_mag", "r_mag"),
    "matching_pursuit": ("W_dec",),
    "factors": ("W_dec", "b_dec"),
}
"""Tensors that an architecture cannot do without; `W_enc`, `W_dec` and `b_dec` for those not listed."""


def read_folder(folder: Path) -> Dictionary:
    """The dictionary of a folder in SAELens' format, from version 3 to 6.

    Args:
        folder: holds `cfg.json` and `sae_weights.safetensors`.

    Returns:
        The dictionary; what its files left unsaid stands in its card under `assumed`.

    Raises:
        AnalysisError: a file is missing, cut short, a pickle, or of a kind that is not known; shapes or `k` disagree.
    Source: the format of SAELens 6.54 (Bloom, Tigges, Duong & Chanin 2024, github.com/decoderesearch/SAELens).
    Misleads when: the inputs' average scaling (`expected_average_only_in`) was neither folded in nor given; then it is
        read as SAELens does, unscaled, and explains little.
    """
    config = read_config(folder)
    tensors = read_weights(folder / WEIGHTS)
    _require_shapes(folder / WEIGHTS, config, tensors)
    if config.architecture == "matching_pursuit":
        return _pursuit(config, tensors)
    if config.architecture == "factors":
        return Factors(
            name_of(config), config.site, tensors["W_dec"], tensors["b_dec"], config.model, config.card
        )
    return _rescaled(config, _folded(folder, config, _sparse(config, tensors)))


def write_folder(
    dictionary: Dictionary,
    folder: Path,
    dtype: Literal["float16", "float32"] = "float16",
    card: Mapping[str, object] | None = None,
) -> Path:
    """Write a dictionary as a folder in SAELens' format.

    Args:
        dictionary: with weights of its own; a model's neurons have none.
        folder: made if it is not there; the two files in it are replaced, whole.
        dtype: of the two large matrices; what float16 holds exactly is written so in any case, and what it cannot
            hold is not. Biases, thresholds and the directions of matching pursuit stay float32.
        card: what is written instead of the dictionary's own card.

    Returns:
        The folder.

    Raises:
        AnalysisError: the disk is full, the place cannot be written to, or the dictionary has no weights.
    Source: the format of SAELens 6.54.
    """
    said, tensors = _parts(dictionary)
    about = dict(getattr(dictionary, "card", {}) if card is None else card)
    said["metadata"] = _metadata(dictionary, about, said["architecture"])
    # rounded directions are no longer of length 1, which SAELens' matching pursuit relies on
    whole = dtype == "float32" or isinstance(dictionary, MatchingPursuit)
    narrow = {name: _narrowed(values, whole) for name, values in tensors.items()}
    store.require_space(folder, sum(values.nbytes for values in narrow.values()), "The dictionary")
    if folder.exists():
        _write(folder, said, narrow)
    else:
        with store.new_folder(folder) as partial:
            _write(partial, said, narrow)
    return folder


def name_of(config: SaeConfig) -> str:
    """What a dictionary without a name is called."""
    return f"{said(config.site)}, {config.features:,} features"


def _write(folder: Path, said: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    store.write_tensors(folder / WEIGHTS, tensors, {"format": "pt"})
    store.write_json(folder / CONFIG, said)


def _require_shapes(path: Path, config: SaeConfig, tensors: dict[str, np.ndarray]) -> None:
    needed = NEEDED.get(config.architecture, ("W_enc", "W_dec", "b_dec"))
    missing = [name for name in needed if name not in tensors]
    if missing:
        raise AnalysisError(
            f"{path} lacks {', '.join(missing)}, which {config.architecture!r} needs; it holds "
            f"{', '.join(sorted(tensors))[:200] or 'nothing'}. Download it again."
        )
    for name, values in tensors.items():
        if name == "threshold" and values.size == 1:  # one for all features
            continue
        if name in SHAPES and values.shape != SHAPES[name](config):
            raise AnalysisError(
                f"{path} holds {name} of shape {values.shape}, and its cfg.json says {SHAPES[name](config)} "
                f"({config.width:,} numbers a state, {config.features:,} features). The two files are not of one "
                "dictionary: download both again."
            )
    if "scaling_factor" in tensors and not np.allclose(tensors["scaling_factor"], 1):
        raise AnalysisError(
            f"{path} has a finetuned scaling factor, which SAELens gave up in version 6. Fold it into W_dec first."
        )


def _sparse(config: SaeConfig, tensors: dict[str, np.ndarray]) -> SparseDictionary:
    encoder, decoder = tensors["W_enc"], tensors["W_dec"]
    encoder_bias = tensors.get("b_enc", np.zeros(config.features, np.float32))
    if config.architecture == "gated":
        encoder_bias = np.zeros(config.features, np.float32)
    if config.rescales:  # choosing by length and undoing it afterwards is a decoder of unit rows
        lengths = np.linalg.norm(decoder, axis=1)
        encoder, encoder_bias = encoder * lengths, encoder_bias * lengths
        decoder = decoder / np.maximum(lengths, 1e-12)[:, None]
    return SparseDictionary(
        name_of(config),
        config.site,
        _encoder(config, tensors),
        np.ascontiguousarray(encoder, np.float32),
        encoder_bias,
        np.ascontiguousarray(decoder, np.float32),
        tensors["b_dec"],
        config.model,
        config.applies_bias,
        config.card,
    )


def _encoder(config: SaeConfig, tensors: dict[str, np.ndarray]) -> Encoder:
    if config.architecture in ("jumprelu", "batchtopk"):
        if "threshold" not in tensors:
            raise AnalysisError(
                "A BatchTopK dictionary needs the threshold that takes the batch's place after training; there is "
                "none. Save it with SAELens' save_inference_model, which writes one."
            )
        return JumpRelu(np.array(np.broadcast_to(tensors["threshold"].squeeze(), config.features)))
    if config.architecture == "gated":
        return Gated(tensors["b_gate"], tensors["b_mag"], tensors["r_mag"])
    if config.architecture in ("topk", "groupmax"):
        return (TopK if config.architecture == "topk" else GroupMax)(config.k)
    return Linear() if config.architecture == "linear" else Relu()


def _pursuit(config: SaeConfig, tensors: dict[str, np.ndarray]) -> Dictionary:
    applied = config.applies_bias and "b_dec" in tensors
    bias = tensors["b_dec"] if applied else np.zeros(config.width, np.float32)
    tolerance = float(config.said.get("residual_threshold", 0.0) or 0.0)
    if config.normalizes not in ("none", "expected_average_only_in"):
        raise AnalysisError(
            f"Matching pursuit on input normalised by {config.normalizes!r} is not read here. Choose another."
        )
    stops = bool(config.said.get("stop_on_duplicate_support", True))
    k = config.k or config.width
    return MatchingPursuit(
        name_of(config), config.site, tensors["W_dec"], bias, k, tolerance, stops, config.model, config.card
    )


def _folded(folder: Path, config: SaeConfig, found: SparseDictionary) -> SparseDictionary:
    """The average scaling of inputs made part of the weights, where it is given."""
    if config.normalizes != "expected_average_only_in":
        return found
    factor = _scaling_factor(folder, config)
    if factor is None:
        assumed = "the inputs' average scaling is folded into the weights already"
        earlier = found.card.get("assumed")
        return replace(found, card={**found.card, "assumed": f"{earlier}; {assumed}" if earlier else assumed})
    return replace(
        found,
        encoder=found.encoder * np.float32(factor),
        decoder=found.decoder / np.float32(factor),
        bias=found.bias / np.float32(factor),
    )


def _scaling_factor(folder: Path, config: SaeConfig) -> float | None:
    beside = folder / "activation_scaler.json"
    said = store.read_json(beside) if beside.is_file() else config.said | config.card
    factor = said.get("scaling_factor") or said.get("norm_scaling_factor")
    if factor is None:
        return None
    if not isinstance(factor, (int, float)) or not 0 < factor < 1e9:
        raise AnalysisError(f"{folder} scales its inputs by {str(factor)[:40]}; expected a positive number.")
    return float(factor)


def _rescaled(config: SaeConfig, found: SparseDictionary) -> Dictionary:
    return (
        Rescaled(found, config.normalizes)
        if config.normalizes in ("constant_norm_rescale", "layer_norm")
        else found
    )


def _parts(dictionary: Dictionary) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What `cfg.json` says but for its metadata, and the tensors."""
    if isinstance(dictionary, Rescaled):
        said, tensors = _parts(dictionary.inner)
        return said | {"normalize_activations": dictionary.how}, tensors
    if isinstance(dictionary, MatchingPursuit):
        own = _said(dictionary, "matching_pursuit", True) | {
            "residual_threshold": dictionary.tolerance,
            "max_iterations": dictionary.k,
            "stop_on_duplicate_support": dictionary.stops_on_repeat,
        }
        return own, {"W_dec": dictionary.decoder, "b_dec": dictionary.bias}
    if isinstance(dictionary, Factors):
        own = _said(dictionary, "factors", True)
        return own, {"W_dec": dictionary.decoder, "b_dec": dictionary.bias}
    if isinstance(dictionary, SparseDictionary):
        architecture, more, tensors = _kind(dictionary)
        own = _said(dictionary, architecture, dictionary.subtracts_bias) | more
        matrices = {"W_enc": dictionary.encoder, "W_dec": dictionary.decoder, "b_dec": dictionary.bias}
        return own, matrices | tensors
    raise AnalysisError(
        f"{dictionary.name} has no weights of its own to write. Choose a dictionary that was trained or fitted."
    )


def _kind(dictionary: SparseDictionary) -> tuple[str, dict[str, Any], dict[str, np.ndarray]]:
    """Architecture, its settings, and its tensors besides the three that all have."""
    kind, bias = dictionary.kind, {"b_enc": dictionary.encoder_bias}
    if isinstance(kind, TopK):
        return "topk", {"k": kind.k, "rescale_acts_by_decoder_norm": False}, bias
    if isinstance(kind, GroupMax):
        return "groupmax", {"k": kind.k}, bias
    if isinstance(kind, JumpRelu):
        return "jumprelu", {}, bias | {"threshold": kind.threshold}
    if isinstance(kind, Gated):
        # the gate and the magnitude are given what the encoder's bias would have added
        shift = dictionary.encoder_bias
        magnitude = kind.b_mag + shift * np.exp(kind.r_mag)
        return "gated", {}, {"b_gate": kind.b_gate + shift, "b_mag": magnitude, "r_mag": kind.r_mag}
    return ("linear" if isinstance(kind, Linear) else "standard"), {}, bias


def _said(dictionary: Dictionary, architecture: str, applies_bias: bool) -> dict[str, Any]:
    return {
        "architecture": architecture,
        "d_in": dictionary.width,
        "d_sae": dictionary.features,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": applies_bias,
        "normalize_activations": "none",
        "reshape_activations": "none",
    }


def _metadata(dictionary: Dictionary, card: dict[str, object], architecture: str) -> dict[str, object]:
    own = {
        "sae_lens_version": FORMAT,
        "sae_lens_training_version": None,
        "context_size": 128,
        "prepend_bos": True,
    }
    named = {
        "model_name": card.get("model_name") or getattr(dictionary, "model", ""),
        "hook_name": hook_of(dictionary.site),
    }
    apart = {} if architecture not in UNKNOWN_TO_SAELENS else {KIND: architecture}
    return own | card | named | apart | {"sae_lens_version": FORMAT}


def _narrowed(values: np.ndarray, whole: bool) -> np.ndarray:
    """A matrix in half the bytes where nothing is lost, or where that is allowed; vectors as they are."""
    full = np.ascontiguousarray(values, np.float32)
    if values.ndim < 2 or np.abs(full).max(initial=0) > LARGEST_HALF:
        return full
    half = full.astype(np.float16)
    return full if whole and not np.array_equal(half, full) else half
