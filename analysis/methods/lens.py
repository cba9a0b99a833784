"""What each layer would say next: reading the residual stream in the vocabulary.

A lens carries a state from its layer to where the last layer's states live; from there the model's own
final norm and unembedding read it. Lenses differ in nothing else, so a new one (tuned, Jacobian, or one
that patches the state into another prompt) is one class with `carry`.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, Int32
from torch import Tensor

from analysis.activations import Trace
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.models import parity
from analysis.models.loaded import LoadedModel
from analysis.numerics import Distribution, divergence, in_chunks, largest, rows_per_chunk
from analysis.results import Bounds, LayerByPosition, LayerCurve, Provenance, TokenRanking
from analysis.tokens import Tokens

NATS_PER_BIT = float(np.log(2))


class Lens(Protocol):
    """A way to read an early layer as if it were the last."""

    id: str
    title: str
    source: str
    misleads_when: str

    def carry(
        self, model: LoadedModel, layer: int, residual: Float[Tensor, "point d_model"]
    ) -> Float[Tensor, "point d_model"]:
        """Estimate the last layer's residual, before the final norm, from that of `layer`.

        Called in the model's thread, without gradients. At layer L it returns its input.
        """
        ...


@dataclass(frozen=True)
class LogitLens:
    """Read every layer as if it were the last: final norm and unembedding straight on its states."""

    id: ClassVar[str] = "logit"
    title: ClassVar[str] = "logit lens"
    source: ClassVar[str] = "nostalgebraist 2020, 'interpreting GPT: the logit lens' (LessWrong)"
    misleads_when: ClassVar[str] = (
        "Early and middle layers write in a basis of their own: a confident token there may be an artefact "
        "of reading the wrong basis, not something the model considers."
    )

    def carry(self, model, layer, residual):
        """Return the states unchanged."""
        return residual


@dataclass(frozen=True, eq=False)
class Reading:
    """One text read through one lens at every layer.

    Probabilities are of the next token; position p is read after the token at p.
    """

    tokens: Tokens
    top_ids: Int32[np.ndarray, "layer position k"]
    """The k most probable tokens, most probable first."""
    top_log_probability: Float32[np.ndarray, "layer position k"]
    """Nats."""
    log_total: Float32[np.ndarray, "layer position"]
    """log sum exp of the logits, nats: turns any token's logit into its log-probability."""
    entropy: Float32[np.ndarray, "layer position"]
    """Bits, 0 to log2(vocabulary)."""
    kl_to_final: Float32[np.ndarray, "layer position"]
    """KL(final || layer) in bits; 0 at layer L."""
    targets: Int32[np.ndarray, " position"]
    """The token whose rank and probability are followed at each position."""
    target_rank: Int32[np.ndarray, "layer position"]
    """1 is the most probable; ties share the better rank."""
    target_log_probability: Float32[np.ndarray, "layer position"]
    """Nats."""
    norm: Float32[np.ndarray, "layer position"]
    """Euclidean norm of the residual stream itself, whatever the lens."""
    vocabulary: int
    provenance: Provenance

    @property
    def n_layers(self) -> int:
        """L: the number of blocks."""
        return len(self.entropy) - 1

    @property
    def agrees(self) -> np.ndarray:
        """(layer, position) True where the layer's top token is the last layer's."""
        return self.top_ids[:, :, 0] == self.top_ids[-1, :, 0]

    @property
    def settled_at(self) -> np.ndarray:
        """(position,) the first layer from which the top token never changes again."""
        return settling_layer(self.top_ids[:, :, 0])

    def quantity(self, name: str, labels: tuple[str, ...] | None = None) -> LayerByPosition:
        """One of `QUANTITIES` as a result with unit and bounds.

        Raises:
            AnalysisError: there is no quantity of this name.
        """
        if name not in QUANTITIES:
            raise AnalysisError(f"A lens has no quantity {name!r}; it has {', '.join(QUANTITIES)}.")
        title, unit = QUANTITIES[name]
        values, bounds = _quantity(self, name)
        return LayerByPosition(
            title, unit, bounds, self.provenance, values.astype(np.float32), labels or self.tokens.labels
        )

    def ranking(self, layer: int, position: int, model: LoadedModel) -> TokenRanking:
        """The most probable tokens at one cell."""
        ids = tuple(self.top_ids[layer, position].tolist())
        return TokenRanking(
            f"Next token read at layer {layer}",
            "probability",
            Bounds(0, 1.0001),
            self.provenance,
            np.exp(self.top_log_probability[layer, position]),
            ids,
            tuple(model.tokenizer.label(i) for i in ids),
        )


QUANTITIES = {
    "probability": ("Probability of the top token", "probability"),
    "target": ("Probability of the target", "probability"),
    "rank": ("Rank of the target", "rank"),
    "entropy": ("Entropy", "bits"),
    "kl": ("KL to the final layer", "bits"),
    "agreement": ("Agrees with the final prediction", "yes or no"),
    "surprise": ("Surprise at the target", "bits"),
}
"""What a cell can be coloured by: title and unit."""


def _quantity(reading: Reading, name: str) -> tuple[np.ndarray, Bounds]:
    if name == "probability":
        return np.exp(reading.top_log_probability[:, :, 0]), Bounds(0, 1.0001)
    if name == "target":
        return np.exp(reading.target_log_probability), Bounds(0, 1.0001)
    if name == "rank":
        return reading.target_rank, Bounds(1, reading.vocabulary)
    if name == "entropy":
        return reading.entropy, Bounds(0, float(np.log2(reading.vocabulary)) + 1e-3)
    if name == "kl":
        return reading.kl_to_final, Bounds(0, None)
    if name == "surprise":
        return np.maximum(-reading.target_log_probability / NATS_PER_BIT, 0), Bounds(0, None)
    return reading.agrees, Bounds(0, 1)


@dataclass
class Cells:
    """The numbers of a reading while they are filled: (layer, position), in nats."""

    top_ids: np.ndarray
    top_log_probability: np.ndarray
    log_total: np.ndarray
    entropy: np.ndarray
    kl: np.ndarray
    targets: np.ndarray
    rank: np.ndarray
    target_log_probability: np.ndarray

    @classmethod
    def empty(cls, layers: int, positions: int, top: int) -> "Cells":
        """Room for so many layers, positions and kept tokens."""

        def cells() -> np.ndarray:
            return np.zeros((layers, positions), np.float32)

        return cls(
            np.zeros((layers, positions, top), np.int32),
            np.zeros((layers, positions, top), np.float32),
            cells(),
            cells(),
            cells(),
            np.zeros(positions, np.int32),
            np.zeros((layers, positions), np.int32),
            cells(),
        )

    def reading(
        self,
        tokens: Tokens,
        states: np.ndarray,
        model: LoadedModel,
        lens: Lens,
        target: int | np.ndarray | None,
    ) -> Reading:
        """The filled numbers as a result, in bits where people read bits."""
        return Reading(
            tokens=tokens,
            top_ids=self.top_ids,
            top_log_probability=self.top_log_probability,
            log_total=self.log_total,
            entropy=self.entropy / NATS_PER_BIT,
            kl_to_final=self.kl / NATS_PER_BIT,
            targets=self.targets,
            target_rank=self.rank,
            target_log_probability=self.target_log_probability,
            norm=np.linalg.norm(states, axis=-1).astype(np.float32),
            vocabulary=model.vocabulary,
            provenance=_provenance(model, lens, target),
        )


def read(
    model: LoadedModel,
    trace: Trace,
    lens: Lens = LogitLens(),
    *,
    row: int = 0,
    top: int = 10,
    target: int | Int32[np.ndarray, " position"] | None = None,
    report: Report = silent,
) -> Reading:
    """Read every layer of one traced row through a lens.

    Args:
        model: the model the trace comes from.
        trace: a run that kept the residual stream of all layers.
        lens: how states are carried to the last layer.
        row: which row of the trace.
        top: tokens kept per cell.
        target: token whose rank and probability are followed, or one token for each position; None follows,
            at every position, the model's final prediction there.
        report: progress in cells; raises `Cancelled` to stop.

    Raises:
        AnalysisError: the trace is another model's or lacks layers, the target is no token, or the model
            failed the check that its last layer reads as its own logits.
    """
    parity.require(model, "lens")
    if trace.model != model.fingerprint:
        raise AnalysisError("This trace was read from another model; run the prompt on this one first.")
    states = trace.residuals(row)
    _require_targets(target, states.shape[1], model.vocabulary)
    cells = read_states(model, states, lens, top=top, target=target, report=report)
    return cells.reading(trace.tokens[row], states, model, lens, target)


def _require_targets(target: int | np.ndarray | None, positions: int, vocabulary: int) -> None:
    asked = np.atleast_1d([] if target is None else target)
    if isinstance(target, np.ndarray) and len(target) != positions:
        raise AnalysisError(f"{len(target)} targets were given for {positions} tokens; give one for each.")
    if asked.size and not (asked.min() >= 0 and asked.max() < vocabulary):
        wrong = asked.min() if asked.min() < 0 else asked.max()
        raise AnalysisError(f"Token {wrong} does not exist: this vocabulary has {vocabulary:,} entries.")


def read_states(
    model: LoadedModel,
    states: Float32[np.ndarray, "layer position d_model"],
    lens: Lens,
    *,
    top: int,
    target: int | Int32[np.ndarray, " position"] | None = None,
    report: Report = silent,
) -> Cells:
    """Read the residual streams of any points, of one text or of many, through a lens."""
    layers, points = states.shape[:2]
    cells = Cells.empty(layers, points, min(top, model.vocabulary))
    width = min(max(1, points), _positions_per_chunk(model, layers))
    buffers = Buffers(torch.empty(width * layers, model.vocabulary), torch.empty(layers, model.vocabulary))
    for columns in in_chunks(points, width):
        report("Reading layers", columns.start * layers, layers * points)
        model.on_worker(
            lambda columns=columns: _read_columns(model, lens, states, columns, target, cells, buffers)
        )
    return cells


@dataclass(frozen=True)
class Buffers:
    """Memory that all chunks of one reading share: pages fresh from the system cost as much as the sums in them."""

    logits: Float[Tensor, "row vocab"]
    weights: Float[Tensor, "layer vocab"]
    """For one position: small enough to stay in the processor's cache from one sum to the next."""


def _positions_per_chunk(model: LoadedModel, layers: int) -> int:
    """Positions whose cells, at all layers, fill one block of logits."""
    return max(1, rows_per_chunk(model.vocabulary) // layers)


def _read_columns(
    model: LoadedModel,
    lens: Lens,
    states: np.ndarray,
    columns: slice,
    target: int | np.ndarray | None,
    cells: Cells,
    buffers: Buffers,
) -> None:
    """Read a few positions at all layers in one product with the unembedding."""
    layers, width = states.shape[0], columns.stop - columns.start
    carried = [
        lens.carry(model, layer, torch.from_numpy(states[layer, columns].copy())) for layer in range(layers)
    ]
    logits = _logits(model, torch.stack(carried, 1).flatten(0, 1), buffers.logits[: width * layers])
    for position, own in zip(
        range(columns.start, columns.stop), logits.unflatten(0, (width, layers)), strict=True
    ):
        own_target = int(target[position]) if isinstance(target, np.ndarray) else target
        _read_position(own, position, own_target, cells, buffers.weights)


def _logits(
    model: LoadedModel, residual: Float[Tensor, "row d_model"], out: Float[Tensor, "row vocab"]
) -> Float[Tensor, "row vocab"]:
    """The model's read-out in float32, written into `out` where the unembedding is a plain product."""
    parts = model.parts
    plain = type(parts.head) is torch.nn.Linear and parts.head.bias is None and model.dtype == torch.float32
    if not plain or parts.after_norm is not None or parts.softcap is not None or parts.logit_divisor != 1.0:
        return model.read_out(residual).float()
    return torch.mm(parts.norm(residual), parts.head.weight.T, out=out)


def _read_position(
    logits: Float[Tensor, "layer vocab"],
    position: int,
    target: int | None,
    cells: Cells,
    scratch: Float[Tensor, "layer vocab"],
) -> None:
    """Fill the cells of one position; `scratch` is overwritten."""
    values, ids = largest(logits, cells.top_ids.shape[-1])
    stats = Distribution(logits, scratch, values[:, :1])
    entropy = stats.entropy()
    followed = int(ids[-1, 0]) if target is None else target
    hits = logits[:, followed]
    cells.targets[position] = followed
    cells.top_ids[:, position] = ids
    cells.top_log_probability[:, position] = values - stats.log_total[:, None]
    cells.log_total[:, position] = stats.log_total
    cells.entropy[:, position] = entropy
    cells.kl[:, position] = divergence(stats.probabilities(-1), entropy[-1:], logits, stats.log_total)
    cells.kl[-1, position] = 0
    cells.rank[:, position] = (
        torch.gt(logits, hits[:, None], out=scratch).sum(-1) + 1
    )  # no use for it any more
    cells.target_log_probability[:, position] = hits - stats.log_total


def follow(
    model: LoadedModel,
    trace: Trace,
    reading: Reading,
    lens: Lens,
    position: int,
    ids: tuple[int, ...],
    *,
    row: int = 0,
) -> LayerCurve:
    """Probabilities of chosen tokens along the layers, at one position.

    Cheap: only the chosen rows of the unembedding matter once the sums over the vocabulary are known.

    Raises:
        AnalysisError: no token was given, or one does not exist.
    """
    if not ids or not all(0 <= i < model.vocabulary for i in ids):
        raise AnalysisError(f"Give tokens between 0 and {model.vocabulary - 1}; given {ids}.")
    states = trace.residuals(row)[:, position]

    def logits() -> np.ndarray:
        carried = [
            lens.carry(model, layer, torch.from_numpy(state[None].copy()))
            for layer, state in enumerate(states)
        ]
        return model.read_out(torch.cat(carried), list(ids)).float().numpy()

    log_probability = model.on_worker(logits).T - reading.log_total[:, position]
    return LayerCurve(
        "Probability of chosen tokens",
        "probability",
        Bounds(0, 1.0001),
        reading.provenance,
        np.exp(log_probability).astype(np.float32),
        tuple(model.tokenizer.label(i) for i in ids),
    )


def settling_layer(top: Int[np.ndarray, "layer position"]) -> Int[np.ndarray, " position"]:
    """The first layer from which the top token stays what it is at the last one."""
    changed = top != top[-1:]
    last_change = len(top) - 1 - changed[::-1].argmax(0)
    return np.where(changed.any(0), last_change + 1, 0)


def rising_token(reading: Reading, position: int) -> int:
    """The token whose probability rises most from its lowest to its highest layer, among those ever on top."""
    leaders = reading.top_ids[:, position, 0]
    strength = reading.top_log_probability[:, position, 0]

    def rise(token: int) -> float:
        seen = reading.top_ids[:, position] == token
        known = np.where(seen, np.exp(reading.top_log_probability[:, position]), 0).sum(
            1
        )  # 0 outside the kept top
        return float(np.exp(strength[leaders == token].max()) - known.min())

    return max(dict.fromkeys(leaders.tolist()), key=rise)


def _provenance(model: LoadedModel, lens: Lens, target: int | np.ndarray | None) -> Provenance:
    if target is None:
        followed = "the final prediction at each position"
    elif isinstance(target, np.ndarray):
        followed = "one given token at each position"
    else:
        followed = repr(model.tokenizer.label(target))
    return Provenance(
        model.title,
        model.revision,
        model.dtype_name,
        lens.title,
        lens.source,
        lens.misleads_when,
        (("target", followed), *getattr(lens, "settings", ())),
    )
