"""From what a person asks for to a model that has proved itself."""

import torch

from analysis.fingerprint import fingerprint
from analysis.jobs import Report, silent
from analysis.models import checkpoint, parity, sources, toy
from analysis.models.layouts import find_parts
from analysis.models.loaded import LoadedModel
from analysis.models.spec import TOYS, ModelSpec


def load(spec: ModelSpec | str = ModelSpec(), report: Report = silent) -> LoadedModel:
    """Open a model and let it prove itself.

    Args:
        spec: what to open; a string is a `ModelSpec` source (hub id, folder, `.gguf` file, packaged model, toy).
        report: told what is being done and how far it is; raises `Cancelled` to stop.

    Returns:
        A model whose `parity` holds the checks it passed or failed.

    Raises:
        AnalysisError: one sentence on what could not be found, read or understood.
    """
    spec = ModelSpec(spec) if isinstance(spec, str) else spec
    if spec.source in TOYS:
        made = toy.build(spec.source)
        return wrap(
            spec, made.network, made.tokenizer, title=made.title, revision="1", dtype_reason=made.note
        )
    files = sources.locate(spec, report)
    dtype, reason = checkpoint.choose_dtype(files, spec.dtype)
    opened = checkpoint.open_checkpoint(files, dtype, report)
    report("Checking against plain transformers")
    return wrap(
        spec,
        opened.model,
        opened.tokenizer,
        title=files.source_title,
        revision=files.revision,
        dtype_reason=reason,
        notes=tuple(note for note in (files.note, opened.note) if note),
    )


def wrap(
    spec: ModelSpec,
    network: torch.nn.Module,
    tokenizer,
    *,
    title: str,
    revision: str | None = None,
    dtype_reason: str = "",
    notes: tuple[str, ...] = (),
) -> LoadedModel:
    """Make a `LoadedModel` of a transformers causal language model already in memory.

    The network is taken over: hooks are put on it and stay. Without a revision, the weights themselves
    give one, so that results of two networks are never mixed up.

    Raises:
        AnalysisError: the family is unknown and a part was not found.
    """
    parts = find_parts(network)
    ids = parity.probe_ids(tokenizer)
    plain = parity.plain_logits(network.eval(), ids)
    revision = revision or _identity(network)
    model = LoadedModel(spec, network, tokenizer, parts, title=title, revision=revision)
    model.dtype_reason = dtype_reason
    model.parity = parity.prove(model, plain, ids) + tuple(
        parity.Check("files", True, note) for note in notes
    )
    return model


def _identity(network: torch.nn.Module) -> str:
    """A short name that changes with the weights: the first and last numbers of each, and their sum."""
    marks = [
        torch.cat([flat[:64], flat[-64:], flat.sum(dtype=torch.float64)[None].to(flat)]).float().numpy()
        for flat in (weight.detach().flatten() for weight in network.parameters())
    ]
    return f"in memory {fingerprint(*marks)[:12]}"
