"""The linear shortcut: a least-squares map from each layer straight to the last.

Where the logit lens reads a layer's states as they are, the shortcut first carries them over the
remaining blocks by the one matrix that does so best. It is fitted in closed form in a few seconds and
belongs to one revision of one model.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import psutil
import torch
from jaxtyping import Float32, Float64

from analysis import store
from analysis.data import corpus
from analysis.errors import AnalysisError
from analysis.fingerprint import fingerprint
from analysis.jobs import Report, silent
from analysis.methods import lens as lenses
from analysis.models import checkpoint, sources
from analysis.models.loaded import LoadedModel, identity
from analysis.models.opening import load
from analysis.models.spec import ModelSpec
from analysis.samples import OUTLIER, WINDOW, batches, usual_states, windows
from analysis.tokens import Tokens

SOURCE = "Yom Din, Karidi, Choshen & Geva 2023, 'Jump to Conclusions', arXiv 2303.09435"
FIT_TOKENS, HELD_OUT_TOKENS = 12_000, 2_000
MEASURED_POINTS = 128
"""Of the held-out tokens, those whose every layer is read through both lenses."""
RIDGE = 1e-6
"""Share of the mean eigenvalue added to the diagonal; far below noise, it only keeps the solution finite."""


@dataclass(frozen=True, eq=False)
class LinearShortcut:
    """Carry each layer's states to the last layer by a least-squares matrix, without intercept."""

    maps: Float32[np.ndarray, "layer d_model d_model"]
    """For layers 0 to L - 1: the last layer's state is about `state @ map`."""
    model: str
    """Fingerprint of the model it was fitted on."""
    quality: tuple["Quality", ...]
    """Held-out measures for layers 0 to L."""
    settings: tuple[tuple[str, str], ...] = ()
    id: ClassVar[str] = "shortcut"
    title: ClassVar[str] = "linear shortcut"
    source: ClassVar[str] = SOURCE
    misleads_when: ClassVar[str] = (
        "It shows what is linearly decodable about the final prediction, fitted on other text: the map may "
        "add regularities of that text which this layer does not use, and the first token is outside its fit."
    )
    _tensors: list = field(default_factory=list, repr=False)

    def __post_init__(self):
        maps = self.maps if self.maps.flags.writeable else self.maps.copy()
        self._tensors.extend(torch.from_numpy(maps))  # one memory, seen by torch and, read-only, by numpy
        maps.flags.writeable = False
        object.__setattr__(self, "maps", maps)

    def carry(self, model, layer, residual):
        """Return `residual @ map`; at layer L the residual itself."""
        if model.fingerprint != self.model:
            raise AnalysisError("This shortcut was fitted on another model or revision. Fit it on this one.")
        return residual if layer == len(self._tensors) else residual @ self._tensors[layer]


@dataclass(frozen=True)
class Quality:
    """How well a lens reads one layer on held-out text."""

    layer: int
    kl_bits: float
    """Mean KL(final || lens)."""
    agreement: float
    """Share of positions whose top token is the final one."""
    logit_kl_bits: float
    """The same for the plain logit lens."""
    logit_agreement: float


def fit(
    model: LoadedModel,
    texts: tuple[str, ...],
    *,
    fit_tokens: int = FIT_TOKENS,
    held_out_tokens: int = HELD_OUT_TOKENS,
    report: Report = silent,
) -> LinearShortcut:
    """Fit one map per layer and measure it on text it has not seen.

    The normal equations are summed in float64 while the text streams through, so no activations are
    held. The first token of a context and states of outlying norm are left out.

    Args:
        model: the model to fit.
        texts: whole documents; held-out documents are the last ones, so no document is in both parts.
        fit_tokens: tokens to fit on; several times d_model, or the fit interpolates.
        held_out_tokens: tokens to measure on.
        report: progress in tokens; raises `Cancelled` to stop.

    Raises:
        AnalysisError: the texts hold too few tokens for this model's width.
    """
    training, held_out = _split(windows(model, texts), fit_tokens, held_out_tokens)
    rows = sum(len(window) - 1 for window in training)
    if rows < model.d_model:
        raise AnalysisError(
            f"Fitting a shortcut needs more tokens than the model is wide: given {rows}, d_model {model.d_model}."
        )
    _require_room(model)
    maps = _solve(*_normal_equations(model, training, report), report)
    settings = (("fitted on", f"{rows:,} tokens of shipped text"), ("ridge", f"{RIDGE:g}"))
    fitted = LinearShortcut(maps, model.fingerprint, (), settings)
    quality = _measure(model, fitted, held_out, report)
    return LinearShortcut(maps, model.fingerprint, quality, settings)


def _require_room(model: LoadedModel) -> None:
    """Refuse a fit whose sums would not fit into memory, with the numbers."""
    needed = (2 * 8 + 4) * model.n_layers * model.d_model**2
    free = psutil.virtual_memory().available // 2
    if needed > free:
        raise AnalysisError(
            f"Fitting a shortcut for {model.n_layers} layers of width {model.d_model:,} takes "
            f"{needed / 2**30:.1f} GiB; {free / 2**30:.1f} GiB may be used. Read this model through the logit lens."
        )


def shortcut(model: LoadedModel, report: Report = silent) -> LinearShortcut:
    """The shortcut of this model revision: read from the store, or fitted on the shipped text and kept."""
    if (kept := load_kept(model)) is not None:
        return kept
    fitted = fit(model, corpus.documents(), report=report)
    store.write_tensors(_place(model.fingerprint), {"maps": fitted.maps}, _as_text(fitted))
    return fitted


def prepare(spec: ModelSpec, report: Report = silent) -> None:
    """Fit and keep the shortcut of a model that nobody has opened yet; returns at once if it is kept."""
    files = sources.locate(spec, report)
    dtype, _ = checkpoint.choose_dtype(files, spec.dtype)
    if _place(identity(files.source_title, files.revision, dtype)).exists():
        return
    model = load(spec, report)
    try:
        shortcut(model, report)
    finally:
        model.close()


def load_kept(model: LoadedModel) -> LinearShortcut | None:
    """The stored shortcut of this model revision, or None if none was fitted or the file is damaged."""
    path = _place(model.fingerprint)
    if not path.exists():
        return None
    try:
        tensors, text = store.read_tensors(path)
    except AnalysisError:
        path.unlink(missing_ok=True)  # damaged: fit again rather than read wrong numbers
        return None
    return _from_text(tensors["maps"], text)


def _place(model: str) -> Path:
    recipe = (FIT_TOKENS, HELD_OUT_TOKENS, MEASURED_POINTS, WINDOW, RIDGE, OUTLIER)
    return store.folder("shortcut", fingerprint(model, corpus.documents(), recipe)) / "maps.safetensors"


def _split(
    documents: list[list[Tokens]], fit_tokens: int, held_out_tokens: int
) -> tuple[list[Tokens], list[Tokens]]:
    """Whole documents from the end to measure on, from the beginning to fit on, none in both."""
    held_out = _take(documents[::-1], held_out_tokens)
    training = _take(documents[: len(documents) - len(held_out)], fit_tokens)
    return [w for document in training for w in document], [w for document in held_out for w in document]


def _take(documents: list[list[Tokens]], tokens: int) -> list[list[Tokens]]:
    """The first documents that together reach so many tokens."""
    taken, total = [], 0
    for document in documents:
        if total >= tokens:
            break
        taken.append(document)
        total += sum(map(len, document))
    return taken


def _normal_equations(model: LoadedModel, contexts: list[Tokens], report: Report):
    """Sums of X'X and X'Y over all points, for layers 0 to L - 1, with Y the last layer."""
    width = model.d_model
    sums = torch.zeros(model.n_layers, width, 2 * width, dtype=torch.float64)
    total, done = sum(map(len, contexts)), 0
    for batch in batches(contexts):
        report("Fitting the linear shortcut: reading text", done, total)
        states = torch.from_numpy(usual_states(model, batch))
        both = torch.empty(
            states.shape[1], 2 * width, dtype=torch.float64
        )  # X and Y side by side: one product
        both[:, width:] = states[-1]
        for own, own_sums in zip(states, sums, strict=False):
            both[:, :width] = own
            own_sums.addmm_(both[:, :width].T, both)
        done += sum(map(len, batch))
    return sums[:, :, :width].numpy(), sums[:, :, width:].numpy()


def _solve(
    gram: Float64[np.ndarray, "layer d_model d_model"],
    cross: Float64[np.ndarray, "layer d_model d_model"],
    report: Report,
) -> Float32[np.ndarray, "layer d_model d_model"]:
    """Least squares of every layer from its normal equations, with a tiny ridge."""
    maps = np.empty(gram.shape, np.float32)
    for layer, (own, with_last) in enumerate(zip(gram, cross, strict=True)):
        report("Fitting the linear shortcut: solving", layer, len(gram))
        ridge = RIDGE * np.trace(own) / len(own)
        maps[layer] = np.linalg.solve(own + ridge * np.eye(len(own)), with_last)
    return maps


def _measure(
    model: LoadedModel, fitted: LinearShortcut, contexts: list[Tokens], report: Report
) -> tuple[Quality, ...]:
    """Held-out KL and agreement of both lenses, at points spread evenly over the held-out text."""
    states = np.concatenate([usual_states(model, batch) for batch in batches(contexts)], axis=1)
    points = np.linspace(0, states.shape[1] - 1, min(MEASURED_POINTS, states.shape[1])).astype(int)
    columns = []
    for name, lens in (("shortcut", fitted), ("logit lens", lenses.LogitLens())):
        report(f"Fitting the linear shortcut: measuring the {name}")
        cells = lenses.read_states(model, states[:, points], lens, top=1)
        columns += [
            cells.kl.mean(1) / lenses.NATS_PER_BIT,
            (cells.top_ids == cells.top_ids[-1:])[:, :, 0].mean(1),
        ]
    return tuple(Quality(layer, *map(float, row)) for layer, row in enumerate(zip(*columns, strict=True)))


def _as_text(fitted: LinearShortcut) -> dict[str, str]:
    rows = [(q.kl_bits, q.agreement, q.logit_kl_bits, q.logit_agreement) for q in fitted.quality]
    return {
        "model": fitted.model,
        "quality": ";".join(",".join(repr(value) for value in row) for row in rows),
        "settings": "\n".join(f"{name}\t{value}" for name, value in fitted.settings),
    }


def _from_text(maps: np.ndarray, text: dict[str, str]) -> LinearShortcut:
    rows = [tuple(map(float, row.split(","))) for row in text["quality"].split(";")]
    quality = tuple(Quality(layer, *row) for layer, row in enumerate(rows))
    settings = tuple(tuple(line.split("\t", 1)) for line in text["settings"].splitlines())
    return LinearShortcut(maps, text["model"], quality, settings)
