"""Why the model prefers one next token to another: what every active feature adds to their log-odds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64

from analysis import next_token
from analysis.activations import Trace
from analysis.dictionaries.acting.feature_nulls import Frequency, matched_features
from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.written import written
from analysis.edits import Change, ChangeFeatures, KeepPart, PushAsFar, Site, Variant
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.methods.features import TextFeatures
from analysis.models.loaded import LoadedModel
from analysis.numerics import in_chunks
from analysis.results import AgainstNull, Bounds, Provenance
from analysis.tokens import Tokens

ROWS_AT_ONCE = 2_048
"""Features whose written vectors are held at a time."""
TOKENS_AT_ONCE = 4_096
"""Tokens of one batch of ablated runs."""
SOURCE = (
    "direct logit attribution: Wang et al. 2022, arXiv 2211.00593; features, with the error as a term of its own: "
    "Marks et al. 2024, arXiv 2403.19647"
)
DIRECT_MISLEADS = (
    'It is the direct path only: what later blocks make of a feature stands under "later blocks", and below the last '
    "layers that is most of it. The final norm is taken at this token's own size, as if a feature did not change it."
)
ABLATION_MISLEADS = (
    "Features stand in for one another: zeroing one of two that say the same shows little, and effects do not add up. "
    "Compare with random features of like frequency, pushed as far."
)


@dataclass(frozen=True, eq=False)
class Attribution:
    """The log-odds of one next token against another after one token, as a sum over what makes it up."""

    site: Site
    """Where the dictionary reads."""
    position: int
    answer: int
    against: int | None
    """The other token; None is the mean over the vocabulary."""
    features: tuple[int, ...]
    """Every active one, the largest contribution first, ties by number."""
    activations: Float64[np.ndarray, " feature"]
    direct: Float64[np.ndarray, " feature"]
    """What each adds, in nats."""
    bias: float
    """What the dictionary's bias adds, in nats."""
    error: float
    """What the dictionary does not explain adds, in nats."""
    elsewhere: float
    """What the rest of the stream adds, in nats: later blocks, and for what a block adds, everything but it."""
    constant: float
    """What is there whatever the state: the final norm's and the unembedding's own biases, in nats."""
    measured: float
    """The model's own log-odds, in nats, before a soft cap if the family has one."""
    provenance: Provenance

    @property
    def explained(self) -> float:
        """What all features add together, in nats."""
        return float(self.direct.sum())

    def listed(self, count: int, by: str) -> tuple[int, ...]:
        """Some active features: those of largest `activation`, or of largest `direct` effect, in magnitude."""
        if by == "direct":
            return self.features[:count]
        order = np.argsort(-np.abs(self.activations), kind="stable")[:count]
        return tuple(self.features[i] for i in order)

    @property
    def total(self) -> float:
        """Sum of all terms, in nats: the model's own log-odds up to its rounding."""
        return self.explained + self.bias + self.error + self.elsewhere + self.constant

    @property
    def gap(self) -> float:
        """How far the sum is from what the model says, in nats."""
        return abs(self.total - self.measured)


@dataclass(frozen=True, eq=False)
class Ablation:
    """What zeroing each of some features does to the same log-odds, beside other features pushed as far."""

    features: tuple[int, ...]
    falls: AgainstNull
    """By how much the log-odds fall where a feature is zeroed: positive is what it was worth."""
    all_features: float
    """By how much they fall where all features are zeroed and the error is kept, in nats."""
    error: float
    """By how much they fall where the error is dropped and all features are kept, in nats."""


def log_odds_terms(
    model: LoadedModel,
    found: TextFeatures,
    trace: Trace,
    position: int,
    answer: int,
    against: int | None = None,
) -> Attribution:
    """Add up what every active feature contributes directly to the log-odds of one token against another.

    With s the final norm's factor at this token and g its gain, a vector v in the residual stream adds
    s (g * v) . (W_U[answer] - W_U[against]); the terms are the features, the dictionary's bias and error, the rest of
    the stream, and what does not depend on the state. They add up to the model's own log-odds; at the last layer
    without any rest.

    Args:
        model: the model.
        found: the text's features.
        trace: the unedited run of the same text with all layers.
        position: after which token.
        answer: token id that is asked about.
        against: token id it is held against; None is the mean logit of the vocabulary.

    Raises:
        AnalysisError: there is no such token, both are the same, or the family maps states after its final norm.

    Source: Wang et al. 2022, arXiv 2211.00593; Marks et al. 2024, arXiv 2403.19647.
    Misleads when: it is read as the whole effect. It is the direct path, with the final norm held as it is.
    """
    require_question(model, found.tokens, position, answer, against)
    last = trace.at(Site(model.n_layers))[position].astype(np.float64)
    reader, constant, measured = _reader(model, last, answer, against)
    dictionary = found.dictionary
    active = np.array(found.active(position), int)
    activations = found.activations[position, active].astype(np.float64)
    direct = activations * _projected(model, dictionary, active, reader)
    order = np.lexsort((active, -np.abs(direct)))
    bias, error = _bias_and_error(model, found, position, reader)
    return Attribution(
        dictionary.site,
        position,
        answer,
        against,
        tuple(active[order].tolist()),
        activations[order],
        direct[order],
        bias,
        error,
        float(reader @ last - direct.sum() - bias - error),
        constant,
        measured,
        _provenance(model, dictionary, position, answer, against, "direct attribution", DIRECT_MISLEADS),
    )


def ablated(
    model: LoadedModel,
    found: TextFeatures,
    features: Sequence[int],
    position: int,
    answer: int,
    against: int | None,
    frequency: Frequency,
    *,
    everywhere: bool = False,
    nulls: int = 4,
    seed: int = 0,
    report: Report = silent,
) -> Ablation:
    """Set features to zero, one at a time and with the error kept, and see how the log-odds change.

    Beside each of them run features that fire as often, pushed at the same tokens as far as zeroing pushes; and two
    runs without all features, and without the error.

    Args:
        model: the model.
        found: the text's features.
        features: which ones are zeroed.
        position: after which token the log-odds are read.
        answer: token id that is asked about.
        against: token id it is held against; None is the mean logit of the vocabulary.
        frequency: how often every feature fires, 0 to 1.
        everywhere: zero them at every token but the first, not only at this one.
        nulls: controls of each feature, 0 to 16.
        seed: of the controls.
        report: progress in runs; raises `Cancelled` to stop.

    Raises:
        AnalysisError: no feature is given, there is no such token, or both tokens are the same.

    Source: ablating features with the error kept: Marks et al. 2024, arXiv 2403.19647.
    Misleads when: several features say the same: zeroing one shows little. Effects of single features do not add up.
    """
    require_question(model, found.tokens, position, answer, against)
    if not len(features):
        raise AnalysisError(
            "No feature is active at this token, so none can be zeroed. Choose another token."
        )
    text = found.tokens.cut(position + 1)  # what comes after cannot change what is said here
    places = "after_first" if everywhere and position else (position,)
    groups = [_rows(found.dictionary, each, places, frequency, nulls, seed) for each in features]
    base = model.run(text)
    before = _odds(model, base.at(Site(model.n_layers))[None, -1], answer, against)[0]
    parts = [
        Variant(f"only {part}", (KeepPart(found.dictionary, part, places),)) for part in ("error", "features")
    ]
    rows = [*(row for group in groups for row in group), *parts]
    falls = before - _run(model, base, rows, answer, against, report)
    count = min(map(len, groups)) - 1
    starts = np.cumsum([0, *(len(group) for group in groups)])[:-1]
    own = falls[starts]
    random = np.stack([falls[starts + 1 + row] for row in range(count)]) if count else np.empty((0, len(own)))
    shown = AgainstNull(
        "Fall of the log-odds",
        "nats",
        Bounds(None, None),
        _provenance(
            model, found.dictionary, position, answer, against, "ablation of features", ABLATION_MISLEADS,
            ("zeroed at", "all tokens but the first" if everywhere else "this token"),
            ("controls", f"{count} for each feature, of like frequency, pushed as far; seed {seed}"),
        ),
        "feature",
        tuple(map(str, features)),
        own.astype(np.float32),
        random.astype(np.float32),
    )  # fmt: skip
    return Ablation(tuple(features), shown, float(falls[-2]), float(falls[-1]))


def likeliest(model: LoadedModel, trace: Trace, position: int, count: int = 2) -> list[int]:
    """The tokens the model would most likely say next after a token, the first first."""
    state = torch.tensor(trace.at(Site(model.n_layers))[position : position + 1])
    logits = model.on_worker(lambda: model.read_out(state)[0].float().numpy())
    return np.argsort(-logits, kind="stable")[:count].tolist()


def require_question(
    model: LoadedModel, tokens: Tokens, position: int, answer: int, against: int | None
) -> None:
    """Refuse a question that has no answer.

    Raises:
        AnalysisError: which token does not exist, or that both are the same.
    """
    if not 0 <= position < len(tokens):
        raise AnalysisError(f"The text has tokens 0 to {len(tokens) - 1}; given {position}.")
    for token in (answer, against):
        if token is not None and not 0 <= token < model.vocabulary:
            raise AnalysisError(
                f"{model.title} has token ids 0 to {model.vocabulary - 1}; given {token}. Choose another token."
            )
    if answer == against:
        raise AnalysisError(
            f"Both tokens are {model.tokenizer.label(answer)!r}, whose log-odds against itself are 0. Choose two."
        )


def _reader(
    model: LoadedModel, last: Float64[np.ndarray, " d_model"], answer: int, against: int | None
) -> tuple[Float64[np.ndarray, " d_model"], float, float]:
    """The vector whose product with a part of the last state is what that part adds; the constant; the log-odds."""
    gain = next_token.norm_gain(model)
    rows, biases = _unembedding(model, answer, against)

    def normed() -> np.ndarray:
        states = torch.stack([torch.from_numpy(last), torch.zeros(len(last)), torch.ones(len(last))])
        return model.parts.norm(states.to(model.dtype)).double().numpy()

    there, at_zero, at_one = model.on_worker(normed)
    # of a constant state a norm that takes the mean off leaves nothing
    centres = np.abs(at_one - at_zero).max() < 1e-3 * max(np.abs(gain).max(), 1e-30)
    state = gain * (last - last.mean() if centres else last)
    scale = (there - at_zero) @ state / (state @ state)
    reader = scale * gain * rows
    divisor = model.parts.logit_divisor
    reader = (reader - reader.mean() if centres else reader) / divisor
    constant = float(at_zero @ rows + biases) / divisor
    return reader, constant, float(there @ rows + biases) / divisor


def _unembedding(
    model: LoadedModel, answer: int, against: int | None
) -> tuple[Float64[np.ndarray, " d_model"], float]:
    """Difference of two rows of the unembedding, or of one and the mean row; and of their biases."""
    head = model.parts.head

    def read() -> tuple[np.ndarray, float]:
        weight, bias = head.weight, head.bias if head.bias is not None else torch.zeros(len(head.weight))
        other = _mean(weight) if against is None else weight[against].double()
        other_bias = bias.double().mean() if against is None else bias[against].double()
        return (weight[answer].double() - other).numpy(), float(bias[answer].double() - other_bias)

    return model.on_worker(read)


def _mean(weight: torch.Tensor) -> torch.Tensor:
    """Mean row in float64, a part at a time."""
    total = torch.zeros(weight.shape[1], dtype=torch.float64)
    for part in in_chunks(len(weight), 16_384):
        total += weight[part].double().sum(0)
    return total / len(weight)


def _projected(
    model: LoadedModel, dictionary: Dictionary, active: np.ndarray, reader: np.ndarray
) -> np.ndarray:
    """What one unit of each feature adds."""
    parts = [
        written(model, dictionary, active[part].tolist()).astype(np.float64) @ reader
        for part in in_chunks(len(active), ROWS_AT_ONCE)
    ]
    return np.concatenate(parts) if parts else np.zeros(0)


def _bias_and_error(
    model: LoadedModel, found: TextFeatures, position: int, reader: np.ndarray
) -> tuple[float, float]:
    """What both add; they are zero for neurons."""
    dictionary = found.dictionary
    with torch.inference_mode():
        bias = dictionary.decode(torch.zeros(1, dictionary.features))[0]
    both = torch.stack([bias, torch.tensor(found.error[position])])
    if dictionary.site.stream == "neurons":
        both = model.on_worker(lambda: model.parts.written(dictionary.site.layer, both))
    at_bias, at_error = both.double().numpy() @ reader
    return float(at_bias), float(at_error)


def _rows(
    dictionary: Dictionary,
    feature: int,
    places: str | tuple[int, ...],
    frequency: Frequency,
    nulls: int,
    seed: int,
) -> list[Variant]:
    """One feature zeroed, and its controls."""
    zeroed = ChangeFeatures(dictionary, (Change(feature, "zero"),), places)
    stand_ins = matched_features(dictionary, feature, frequency, nulls, seed)
    controls = [PushAsFar(zeroed, dictionary.directions([each])) for each in stand_ins]
    return [
        Variant(f"zero {feature}", (zeroed,)),
        *(Variant(f"like {feature}, {number}", (each,)) for number, each in enumerate(controls, 1)),
    ]


def _run(
    model: LoadedModel, base: Trace, rows: list[Variant], answer: int, against: int | None, report: Report
) -> np.ndarray:
    """Log-odds of every row after the last token."""
    at_once, odds = max(1, TOKENS_AT_ONCE // len(base.tokens[0])), []
    for part in in_chunks(len(rows), at_once):
        report("Zeroing features, one at a time", part.start, len(rows))
        last = model.rerun(base, read=[Site(model.n_layers)], variants=rows[part]).values[0, :, -1]
        odds.append(_odds(model, last, answer, against))
    return np.concatenate(odds)


def _odds(model: LoadedModel, states: np.ndarray, answer: int, against: int | None) -> np.ndarray:
    """Log-odds, in nats, of last-layer states; against the mean logit where there is no other token."""
    if against is not None:
        return next_token.word_odds(model, states.copy(), [answer], [against])  # torch warns of closed arrays

    def logits() -> np.ndarray:
        read = model.read_out(torch.tensor(states)).double()
        return (read[:, answer] - read.mean(-1)).numpy()

    return model.on_worker(logits)


def _provenance(
    model: LoadedModel,
    dictionary: Dictionary,
    position: int,
    answer: int,
    against: int | None,
    method: str,
    misleads: str,
    *settings: tuple[str, str],
) -> Provenance:
    label = model.tokenizer.label
    other = "the mean logit" if against is None else label(against)
    return Provenance(
        model.title,
        model.revision,
        model.dtype_name,
        method,
        SOURCE,
        misleads,
        (
            ("dictionary", f"{dictionary.name} ({dictionary.id}), at {dictionary.site}"),
            ("log-odds of", f"{label(answer)} against {other}, after token {position}"),
            *settings,
        ),
    )
