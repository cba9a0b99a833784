"""The tokens that features promote and suppress on the direct path from their site to the unembedding."""

import numpy as np
import torch
from jaxtyping import Float32

from analysis import samples
from analysis.data import corpus
from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.written import written
from analysis.edits import Site
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel
from analysis.next_token import norm_gain
from analysis.numerics import in_chunks, rows_per_chunk

COUNT = 10
"""Tokens at either end."""
CONTEXTS = 8
"""Stretches of the shipped text that say how long last-layer states usually are."""


def promoted(
    model: LoadedModel,
    dictionary: Dictionary,
    mean: Float32[np.ndarray, " feature"],
    report: Report = silent,
) -> dict[str, np.ndarray]:
    """Tokens whose logits every feature raises and lowers most, and by how much its mean activation does so.

    What a feature writes goes through the final norm's gain, divided by the usual root mean square of last-layer
    states, and through the unembedding; the average token's logit is taken off, as it changes no probability.

    Args:
        model: the model.
        dictionary: of this model.
        mean: activation of every feature that is put in.
        report: progress in features.

    Returns:
        `promoted` and `suppressed` (feature, rank): token ids, the strongest first; `promotes` and `suppresses`:
        logits; `direct` (feature,): standard deviation of all of its logits. Ids are -1 and numbers NaN where the
        family maps states once more behind the final norm.

    Source: VocabProj of Gur-Arieh et al. 2025, arXiv 2501.08319; Geva et al. 2022, arXiv 2203.14680.
    Misleads when: the layer is an early one: later blocks read the feature in other ways than the unembedding does.
    """
    count = min(COUNT, model.vocabulary)
    found = _nothing(dictionary.features, count)
    try:
        gain = norm_gain(model) / usual_length(model, report)
    except AnalysisError:
        return found
    rows = written(model, dictionary).astype(np.float64) * mean[:, None] * gain
    vectors = torch.from_numpy(rows.astype(np.float32))
    for chosen in in_chunks(len(vectors), max(1, rows_per_chunk(model.vocabulary))):
        report("Looking for promoted tokens", chosen.start, len(vectors))
        for name, values in model.on_worker(lambda c=chosen: _ends(model, vectors[c], count)).items():
            found[name][chosen] = values
    return found


def usual_length(model: LoadedModel, report: Report = silent) -> float:
    """Median root mean square of last-layer states over some of the shipped text, first tokens left out."""
    report("Reading ordinary text")
    texts = [own[0] for own in samples.windows(model, corpus.documents()[:CONTEXTS], 64) if own]
    top = Site(model.n_layers)
    trace = model.run(texts, read=[top])
    states = np.concatenate([trace.at(top, row)[1:] for row in range(len(texts))])
    return float(np.median(np.sqrt((states.astype(np.float64) ** 2).mean(1))))


def _nothing(features: int, count: int) -> dict[str, np.ndarray]:
    ids = {name: np.full((features, count), -1, np.int32) for name in ("promoted", "suppressed")}
    numbers = {name: np.full((features, count), np.nan, np.float32) for name in ("promotes", "suppresses")}
    return ids | numbers | {"direct": np.full(features, np.nan, np.float32)}


def _ends(model: LoadedModel, vectors: torch.Tensor, count: int) -> dict[str, np.ndarray]:
    logits = vectors @ model.parts.head.weight.float().T
    logits -= logits.mean(1, keepdim=True)
    found: dict[str, np.ndarray] = {"direct": logits.std(1, correction=0).numpy()}
    for ids, values, sign in (("promoted", "promotes", 1), ("suppressed", "suppresses", -1)):
        top = (logits if sign > 0 else logits.neg_()).topk(count, dim=1)
        found[ids], found[values] = top.indices.int().numpy(), (sign * top.values).numpy()
    return found
