"""Dictionaries as folders of the sparsify library: `cfg.json` beside `sae.safetensors`, named after their place."""

from pathlib import Path
from typing import Any

import numpy as np

from analysis.dictionaries.dictionary import SparseDictionary
from analysis.dictionaries.encoders import GroupMax, TopK
from analysis.dictionaries.formats.hook_names import said, site_of
from analysis.dictionaries.formats.sae_config import CONFIG, MOST_FEATURES, MOST_WIDTH
from analysis.dictionaries.formats.weights_file import read_weights
from analysis.errors import AnalysisError
from analysis.models.files import read_json_file

WEIGHTS = "sae.safetensors"
KINDS = {"topk": TopK, "groupmax": GroupMax}


def read_sparsify_folder(folder: Path, hook: str | None = None) -> SparseDictionary:
    """The dictionary of a folder that sparsify wrote.

    Args:
        folder: holds `cfg.json` and `sae.safetensors`; its name is the place it reads at, as `layers.15`.
        hook: that place, where the folder's name does not tell.

    Raises:
        AnalysisError: a file is missing, cut short or a pickle; it is a transcoder; shapes or `k` disagree; or the
            place is not known.
    Source: EleutherAI's sparsify 1.3 (Belrose et al. 2024): x - b_dec is encoded, whatever the decoder's norm.
    """
    config = read_json_file(folder / CONFIG)
    if config.get("transcode") or config.get("skip_connection"):
        raise AnalysisError(
            f"{folder} holds a transcoder, which reads in one place and writes in another. Only dictionaries that "
            "rebuild what they read can be used here; choose a sparse autoencoder."
        )
    width, features = _sizes(folder, config)
    site = site_of(hook or folder.name)
    tensors = read_weights(folder / WEIGHTS)
    encoder, bias, decoder, b_dec = _arrays(folder / WEIGHTS, tensors, width, features)
    beside = _run_config(folder)
    model = str(beside.get("model") or "")
    card = {
        "model_name": model,
        "hook_name": hook or folder.name,
        "made_with": "sparsify",
        "dataset_path": str(beside.get("dataset") or ""),
        "context_size": beside.get("ctx_len", 2048),
        "dtype": "float32",
    }
    kind = _kind(folder, config, features)
    name = f"{said(site)}, {features:,} features"
    return SparseDictionary(name, site, kind, encoder, bias, decoder, b_dec, model, True, card)


def _sizes(folder: Path, config: dict[str, Any]) -> tuple[int, int]:
    width, factor = config.get("d_in"), config.get("expansion_factor", 32)
    if type(width) is not int or not 1 <= width <= MOST_WIDTH or type(factor) is not int:
        raise AnalysisError(
            f"{folder / CONFIG} has d_in = {str(width)[:40]} and expansion_factor = {str(factor)[:40]}; expected whole "
            "numbers. Download it again."
        )
    features = config.get("num_latents") or width * factor
    if type(features) is not int or not 1 <= features <= MOST_FEATURES:
        raise AnalysisError(
            f"{folder / CONFIG} has num_latents = {str(features)[:40]}; expected a whole number."
        )
    return width, features


def _kind(folder: Path, config: dict[str, Any], features: int) -> TopK | GroupMax:
    named, k = config.get("activation", "topk"), config.get("k", 32)
    if named not in KINDS or config.get("signed"):
        raise AnalysisError(
            f"{folder} has the activation {str(named)[:40]!r}, which is not known here; known are topk and groupmax."
        )
    if type(k) is not int or not 1 <= k <= features or (named == "groupmax" and features % k):
        raise AnalysisError(
            f"{folder / CONFIG} keeps k = {str(k)[:40]} of its {features:,} features active, which cannot be. Download "
            "it again."
        )
    return KINDS[named](k)


def _arrays(path: Path, tensors: dict[str, np.ndarray], width: int, features: int) -> tuple[np.ndarray, ...]:
    """Encoder, its bias, decoder, and its bias, in this program's orientation."""
    named = {
        "encoder.weight": (features, width),
        "encoder.bias": (features,),
        "W_dec": (features, width),
        "b_dec": (width,),
    }
    for name, shape in named.items():
        found = tensors[name].shape if name in tensors else None
        if found != shape:
            raise AnalysisError(
                f"{path} has {name} of shape {found or 'none'}; its cfg.json says {shape}. The two files are not of "
                "one dictionary: download both again."
            )
    encoder, bias, decoder, b_dec = (tensors[name] for name in named)
    return np.ascontiguousarray(encoder.T), bias, decoder, b_dec


def _run_config(folder: Path) -> dict[str, Any]:
    """What sparsify writes of the whole run one folder above; empty where it is not there."""
    path = folder.parent / "config.json"
    return read_json_file(path) if path.is_file() else {}
