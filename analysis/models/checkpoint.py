"""From files on this disk to a network and a tokenizer in memory, or one sentence why not."""

import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import psutil
import torch
from safetensors import SafetensorError

from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.models.files import ModelFiles, read_json_file, require_known_code, tensors, weight_files
from analysis.models.loading_bars import reported
from analysis.models.spec import Dtype
from analysis.store import size_text

EXACT_LIMIT = 8 * 2**30
"""Bytes of float32 weights up to which `auto` prefers exact numbers over speed."""

ALLOWANCE = 1.1
"""Memory that opening takes, as a multiple of the weights' bytes."""

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
    "spiece.model",
    "tekken.json",
)
CAUSAL = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration", "Model")


@dataclass(frozen=True)
class Checkpoint:
    """A model as transformers opens it."""

    model: torch.nn.Module
    """In evaluation mode, its parameters without gradients."""
    tokenizer: Any
    note: str = ""
    """What was left out, in a sentence; empty where nothing was."""


@dataclass(frozen=True)
class Outline:
    """A model's size, read without opening it."""

    architecture: str
    layers: int
    d_model: int
    vocab: int
    parameters: int
    """Numbers in the files; tied weights count once."""

    @property
    def title(self) -> str:
        """The size in a few words."""
        return f"{self.parameters / 1e6:,.0f}M parameters, {self.layers} layers, width {self.d_model:,}"


def peek_config(files: ModelFiles) -> Outline:
    """A model's size for titles and lists, from its config and its files' headers.

    Raises:
        AnalysisError: a file is damaged.
    """
    config = read_config(files)
    text = config.get_text_config()
    named = [str(name) for name in config.architectures or [config.model_type]]
    return Outline(
        architecture=named[0],
        layers=int(getattr(text, "num_hidden_layers", 0) or 0),
        d_model=int(getattr(text, "hidden_size", 0) or 0),
        vocab=int(getattr(text, "vocab_size", 0) or 0),
        parameters=count_parameters(files),
    )


def count_parameters(files: ModelFiles) -> int:
    """Numbers in a model's safetensors files, from their headers."""
    return sum(tensor.size for path in weight_files(files.folder) for tensor in tensors(path))


def read_config(files: ModelFiles) -> Any:
    """A model's configuration, refused unless it describes a model that writes text from left to right.

    Raises:
        AnalysisError: damaged, unknown to transformers, in need of code of its own, or another kind of model.
    """
    from transformers import CONFIG_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig

    raw = read_json_file(files.folder / "config.json")
    require_known_code(raw, files.source_title)
    kind = raw.get("model_type")
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING:
        raise AnalysisError(
            f"{files.source_title} is of the model type {kind!r}, which this version of transformers does not know. "
            "Choose another model, or a newer transformers."
        )
    try:
        config = AutoConfig.from_pretrained(files.folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # configuration classes check themselves, each in its own way
        raise AnalysisError(
            f"The config.json of {files.source_title} cannot be understood ({_first_line(error)}). "
            "Download or save the model again."
        ) from error
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING or not _is_causal(config):
        raise AnalysisError(_not_causal(files, config))
    return config


def _is_causal(config: Any) -> bool:
    """True if the model predicts the next token; BERT-like models share class names with ones that do."""
    named = [str(name) for name in config.architectures or []]
    encoder = getattr(config, "is_decoder", None) is False or getattr(config, "is_encoder_decoder", False)
    return not encoder and all(name.endswith(CAUSAL) for name in named)


def _not_causal(files: ModelFiles, config: Any) -> str:
    named = ", ".join(config.architectures or [config.model_type])
    return (
        f"{files.source_title} is a {named}, which does not continue text token by token. "
        "Expected a causal language model (GPT-2, Llama, Qwen, Gemma, ...). Choose another model."
    )


def choose_dtype(files: ModelFiles, asked: Dtype) -> tuple[torch.dtype, str]:
    """Which numbers to compute in, and one sentence why.

    `auto` is float32 while its weights take at most a third of the free memory and 8 GiB; else bfloat16
    where three matrix products show that this processor is not slower with it; else float32 if it fits.
    float16 is never chosen: processors compute it slowly and it overflows in the residual stream.

    Raises:
        AnalysisError: no choice fits into memory, or `asked` is none of the three.
    """
    if asked == "float32":
        return torch.float32, "float32, as asked."
    if asked == "bfloat16":
        return torch.bfloat16, "bfloat16, as asked."
    if asked != "auto":
        raise AnalysisError(f"The number format {asked!r} is unknown. Expected auto, float32 or bfloat16.")
    wide, free = count_parameters(files) * 4, available_memory()
    if wide <= min(free / 3, EXACT_LIMIT):
        return torch.float32, f"float32: its {size_text(wide)} fit easily, and read-outs are exact to 1e-5."
    ratio = bfloat16_cost()
    if ratio <= 1.1 and wide / 2 * ALLOWANCE <= free:
        return torch.bfloat16, (
            f"bfloat16: float32 would take {size_text(wide)} of {size_text(free)} free memory, and this "
            f"processor's matrix products take {ratio:.2f} of their float32 time in it."
        )
    if wide * ALLOWANCE <= free:
        return torch.float32, (
            f"float32, though it takes {size_text(wide)} of {size_text(free)} free memory: this processor's "
            f"matrix products take {ratio:.1f} times as long in bfloat16."
        )
    raise AnalysisError(
        f"{files.source_title} needs {size_text(wide * ALLOWANCE)} of memory in float32 and "
        f"{size_text(wide / 2 * ALLOWANCE)} in bfloat16 (here {ratio:.1f} times as slow), and {size_text(free)} are "
        "free. Close other programs or choose a smaller model."
    )


@lru_cache(maxsize=1)
def bfloat16_cost() -> float:
    """Time of a matrix product in bfloat16 over its time in float32, best of three, on this machine."""
    return _product_seconds(torch.bfloat16) / _product_seconds(torch.float32)


def _product_seconds(dtype: torch.dtype) -> float:
    left, right = torch.ones(32, 1024, dtype=dtype), torch.ones(1024, 1024, dtype=dtype)
    taken = []
    for _ in range(4):  # the first one also warms up
        begun = time.perf_counter()
        left @ right
        taken.append(time.perf_counter() - begun)
    return min(taken[1:])


def available_memory() -> int:
    """Bytes this process may still take: the machine's, or its container's where that is less."""
    free = psutil.virtual_memory().available
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    try:
        return min(free, int(limit.read_text()) - int(used.read_text()))
    except (OSError, ValueError):  # no such limit, or the word "max"
        return free


def open_checkpoint(files: ModelFiles, dtype: torch.dtype, report: Report = silent) -> Checkpoint:
    """Open a model and its tokenizer, from this disk alone.

    Args:
        files: from `sources.locate`.
        dtype: from `choose_dtype`.
        report: told the tensors loaded so far; raises `Cancelled` to stop.

    Raises:
        AnalysisError: damaged or missing weights, too little memory, no tokenizer, an unknown architecture.
    """
    config = read_config(files)
    _require_memory(files, dtype)
    report(f"Opening the tokenizer of {files.source_title}")
    tokenizer = _open_tokenizer(files)
    model, note = _open_model(files, dtype, report)
    _require_rows(files, model, tokenizer, config)
    return Checkpoint(model, tokenizer, note)


def _require_memory(files: ModelFiles, dtype: torch.dtype) -> None:
    needed, free = count_parameters(files) * dtype.itemsize * ALLOWANCE, available_memory()
    if needed > free:
        raise AnalysisError(
            f"{files.source_title} needs {size_text(needed)} of memory in {_name(dtype)}, and {size_text(free)} "
            "are free. Close other programs, choose bfloat16 or a smaller model."
        )


def _open_tokenizer(files: ModelFiles) -> Any:
    from transformers import AutoTokenizer

    if not any((files.folder / name).is_file() for name in TOKENIZER_FILES):
        raise AnalysisError(
            f"{files.source_title} has no tokenizer (tokenizer.json or tokenizer.model). Copy the tokenizer files "
            f"of the model it was trained from into {files.folder}."
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            files.folder, local_files_only=True, trust_remote_code=False
        )
        size = len(tokenizer)
    except ImportError as error:
        raise AnalysisError(_needs_package(files, error)) from error
    except Exception as error:  # tokenizers fail in native code with bare Exceptions
        raise AnalysisError(
            f"The tokenizer of {files.source_title} cannot be opened ({_first_line(error)}). "
            "Copy its files again from where the model came from."
        ) from error
    if not size:
        raise AnalysisError(f"The tokenizer of {files.source_title} knows no tokens. Copy its files again.")
    return tokenizer


def _open_model(files: ModelFiles, dtype: torch.dtype, report: Report) -> tuple[torch.nn.Module, str]:
    message = f"Opening {files.source_title} in {_name(dtype)}"
    report(message)
    with reported(report, message):
        model, info = _from_pretrained(files, dtype)
    if missing := sorted(info["missing_keys"]):
        raise AnalysisError(
            f"{files.source_title} lacks {len(missing)} of its weights, {missing[0]} among them, and would run on "
            "random numbers there. Download the model again, or check that its config.json belongs to it."
        )
    _require_finite_kinds(files, model)
    return model.eval().requires_grad_(False), _left_out(sorted(info["unexpected_keys"]))


def _from_pretrained(files: ModelFiles, dtype: torch.dtype) -> tuple[Any, dict[str, Any]]:
    from transformers import AutoModelForCausalLM

    from analysis.errors import Cancelled

    try:
        return AutoModelForCausalLM.from_pretrained(
            files.folder,
            dtype=dtype,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
    except (Cancelled, AnalysisError):
        raise
    except ImportError as error:
        raise AnalysisError(_needs_package(files, error)) from error
    except SafetensorError as error:
        raise AnalysisError(
            f"The weights of {files.source_title} are damaged or were cut short ({_first_line(error)}). "
            "Download or copy them again."
        ) from error
    except MemoryError as error:
        raise AnalysisError(
            f"Memory ran out while {files.source_title} was opened. Close other programs or choose a smaller model."
        ) from error
    except Exception as error:  # every architecture checks itself in its own way
        raise AnalysisError(_cannot_open(files, error)) from error


def _cannot_open(files: ModelFiles, error: Exception) -> str:
    if "ignore_mismatched_sizes" in str(error) or "size mismatch" in str(error):
        return (
            f"The weights of {files.source_title} do not have the shapes that its config.json describes. "
            "Use the config.json that was saved with these weights."
        )
    return (
        f"{files.source_title} cannot be opened ({type(error).__name__}: {_first_line(error)}). "
        "Check that its config.json and weights belong together, or choose another model."
    )


def _require_finite_kinds(files: ModelFiles, model: torch.nn.Module) -> None:
    packed = [name for name, values in model.named_parameters() if not values.is_floating_point()]
    if packed:
        raise AnalysisError(
            f"The weights of {files.source_title} are quantised ({packed[0]}), so their numbers cannot be read. "
            "Use the model's unquantised safetensors."
        )


def _require_rows(files: ModelFiles, model: Any, tokenizer: Any, config: Any) -> None:
    rows = model.get_input_embeddings().weight.shape[0]
    highest = max(tokenizer.get_vocab().values())
    if highest >= rows:
        raise AnalysisError(
            f"The tokenizer of {files.source_title} has tokens up to number {highest:,}, and the model has "
            f"embeddings for {rows:,}. Use the tokenizer that was saved with this model."
        )


def _left_out(unexpected: list[str]) -> str:
    if not unexpected:
        return ""
    return (
        f"{len(unexpected)} tensors of the files, {unexpected[0]} among them, are not part of this architecture "
        "and were left out."
    )


def _needs_package(files: ModelFiles, error: Exception) -> str:
    return (
        f"{files.source_title} needs a package that is not installed ({_first_line(error)}). "
        "Install it, or choose another model."
    )


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
