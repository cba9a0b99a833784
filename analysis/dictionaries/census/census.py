"""A census of the MLP's neurons: how many are dead, follow a few tokens, a place in the text, or are always active."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int8, Int32

from analysis import samples, store
from analysis.dictionaries.census.tally import LOUD, PEAKS, PLACED, Activity, Tally, rule_of
from analysis.dictionaries.census.triggers import ORDERS, TRIGGERS, Grams, Triggers, grams, triggers
from analysis.dictionaries.site_states import drawn_windows
from analysis.edits import Site
from analysis.errors import AnalysisError
from analysis.fingerprint import fingerprint
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel
from analysis.numerics import in_chunks
from analysis.results import Provenance
from analysis.tokens import Tokens

KINDS = ("silent", "rare", "phrase", "token", "place", "dense", "other")
"""Every neuron is the first of these that it is."""
SAMPLE = 4_096
"""Tokens that thresholds are taken from."""
RARE = 1e-3
"""Active at a smaller share of tokens than this."""
DENSE = 0.5
"""Active at a larger share of tokens than this."""
COVERED = 0.95
"""Share of its activations that a few triggers cover."""
NARROW = 0.5
"""Share of the places of their last tokens that pairs or triples take at most, to say more than the tokens do."""
INFORMATIVE = 0.05
"""Nats that being active says about the position."""
FEWEST = 20
"""Activations below which nothing is said of triggers or places."""
LEAST = 1_000
"""Tokens of a census."""
ROOM = 2**30
"""Bytes that layers which are counted together may take."""
CHUNK = 1_024
"""Neurons whose output vectors are measured at a time."""
TOGETHER = 4
"""Windows in one pass."""
SOURCE = "Voita, Ferrando & Nalmpantis 2023, arXiv 2309.04827"
MISLEADS = (
    "The text is small or of one kind: a neuron may be silent here and active elsewhere. With SwiGLU and GELU nothing "
    "is ever quite off, so what counts as active is a definition, and thresholds depend on the text."
)
FILE = "census.safetensors"


@dataclass(frozen=True, eq=False)
class Census:
    """What kind every neuron is of, over one text, and of what kind it would be if the text said nothing."""

    kinds: Int8[np.ndarray, "layer neuron"]
    """Index into `KINDS`; the first row is layer 1."""
    shuffled: Int8[np.ndarray, "layer neuron"]
    """The same activity over tokens and positions that were dealt anew."""
    frequency: Float32[np.ndarray, "layer neuron"]
    """Share of tokens at which it is active (rectified), or writes more than the layer's level."""
    coverage: Float32[np.ndarray, "layer neuron"]
    """Share of its peaks that at most five triggers cover: of the order it was found at, else of single tokens."""
    triggers: Int32[np.ndarray, "layer neuron trigger length"]
    """Ids of the tokens of each trigger, aligned at the right: the last one is where it is active; -1 is none."""
    hits: Int32[np.ndarray, "layer neuron trigger"]
    """Peaks at each trigger."""
    information: Float32[np.ndarray, "layer neuron"]
    """Nats that being active says about the position, less what chance would."""
    rectified: bool
    """True where a neuron is active as soon as it is above zero."""
    tokens: int
    """That count: without first ones and outliers of norm."""
    provenance: Provenance

    def __post_init__(self):
        arrays = (self.kinds, self.shuffled, self.frequency, self.coverage, self.triggers, self.hits)
        for values in (*arrays, self.information):
            values.flags.writeable = False

    def counts(self, *, shuffled: bool = False) -> dict[str, tuple[int, ...]]:
        """Neurons of every kind at layers 1 to L; the kinds of a layer add up to its neurons."""
        kinds = self.shuffled if shuffled else self.kinds
        return {name: tuple((kinds == number).sum(1).tolist()) for number, name in enumerate(KINDS)}

    def of(self, layer: int, kind: str) -> list[int]:
        """Neurons of one kind in block `layer`, 1 to L: the clearest first, ties by number."""
        row = layer - 1
        found = np.flatnonzero(self.kinds[row] == KINDS.index(kind))
        clear = {"token": self.coverage, "phrase": self.coverage, "place": self.information}.get(kind)
        worth = self.frequency[row] if clear is None else clear[row]
        falling = kind not in ("silent", "rare")
        return found[np.argsort(-worth[found] if falling else worth[found], kind="stable")].tolist()

    def triggers_of(self, layer: int, neuron: int) -> list[tuple[tuple[int, ...], int]]:
        """Token ids of a neuron's triggers and its peaks at each, the most frequent first."""
        rows, hits = self.triggers[layer - 1, neuron], self.hits[layer - 1, neuron]
        said = [
            (tuple(int(id) for id in row if id >= 0), int(count))
            for row, count in zip(rows, hits, strict=True)
        ]
        return [(ids, count) for ids, count in said if count]


def census(
    model: LoadedModel,
    texts: Sequence[str],
    *,
    tokens: int = 30_000,
    seed: int = 0,
    report: Report = silent,
) -> Census:
    """Sort the neurons of every block by what they are active at; kept in the store.

    Each neuron is the first of these that it is. `silent`: never active. `rare`: active at less than one token in a
    thousand, or, where it can be quite off, fewer than 20 times. `phrase`: at most 5 pairs, or else triples, of tokens
    cover 95 % of its peaks, the last of them where it peaks, and these sequences stand at no more than half of the
    places where their last tokens do. `token`: at most 5 tokens cover 95 % of its peaks. `place`: being active says
    more than .05 nats about the position, less the bias of chance. `dense`: active at more than half of all tokens.
    `other`: none of these.

    Where the nonlinearity rectifies (no activation below zero, as with ReLU), a neuron is active, and peaks, above
    zero. Elsewhere (SwiGLU, GELU) it is active where what it writes, |activation| times the length of its output
    vector, is above the level that 5 % of all such values of its layer pass; it peaks where |activation| is among its
    own largest 1 %, and its place is read from its own largest 5 %. Thresholds come from 4,096 tokens drawn at random.

    The control is the same activity over tokens dealt anew (for `token` and `phrase`) and over positions dealt anew
    (for `place`).

    Args:
        model: the model.
        texts: they are read in windows of 128 tokens; of more than `tokens`, windows are drawn at random. First tokens
            and those whose norm in the middle of the model is above 8 times the median do not count.
        tokens: to read, about; 1,000 or more.
        seed: of the draws and of the deals.
        report: progress in windows; raises `Cancelled` to stop.

    Raises:
        AnalysisError: the family keeps its neurons in experts, or the texts have too few tokens.
    Source: Voita, Ferrando & Nalmpantis 2023, arXiv 2309.04827.
    Misleads when: the text is small or of one kind, or a definition is read as a fact: with SwiGLU and GELU nothing is
        ever quite off.
    """
    sites = model.neuron_sites()
    if not sites:
        raise AnalysisError(f"{model.title} keeps its neurons in experts, which cannot be read.")
    windows = _windows(model, texts, tokens, seed)
    place = store.folder("census", _key(model, windows, seed)) / FILE
    if place.exists():
        return _read(place, _provenance(model, seed))
    text = _Text.of(windows, seed)
    rows = [row for group in _groups(model, text) for row in _counted(model, group, text, report)]
    rectified = rows[0]["rectified"]
    arrays = {
        name: np.stack([row[name] for row in rows]) for name in rows[0] if name not in ("rectified", "tokens")
    }
    store.write_tensors(place, arrays, {"rectified": str(int(rectified)), "tokens": str(rows[0]["tokens"])})
    return _read(place, _provenance(model, seed))


def stored_census(model: LoadedModel, texts: Sequence[str], *, tokens: int = 30_000, seed: int = 0) -> bool:
    """Whether this census was taken before."""
    key = _key(model, _windows(model, texts, tokens, seed), seed)
    return (store.home() / "census" / key / FILE).exists()


@dataclass(frozen=True, eq=False)
class _Text:
    """What is read, and what the same activity is compared with."""

    sampled: list[list[Tokens]]
    """Batches that thresholds are taken from."""
    rest: list[list[Tokens]]
    positions: Int32[np.ndarray, " token"]
    """Of every token behind the first ones, in the order they are read in."""
    grams: tuple[Grams, ...]
    """Of orders 1 to 3."""
    dealt: Int32[np.ndarray, " token"]
    """Another token for every token."""

    @staticmethod
    def of(windows: list[Tokens], seed: int) -> "_Text":
        """Windows in the order they are read in."""
        ends = np.cumsum([len(window) - 1 for window in windows])
        first = int(np.searchsorted(ends, SAMPLE)) + 1
        sampled = samples.batches(windows[:first], TOGETHER)
        rest = samples.batches(windows[first:], TOGETHER)
        read = [window for batch in (*sampled, *rest) for window in batch]
        positions = np.concatenate([np.arange(1, len(window), dtype=np.int32) for window in read])
        dealt = np.random.default_rng(seed + 1).permutation(len(positions)).astype(np.int32)
        every = tuple(grams([window.ids for window in read], order) for order in ORDERS)
        return _Text(sampled, rest, positions, every, dealt)

    @property
    def windows(self) -> int:
        """How many there are."""
        return sum(map(len, self.sampled)) + sum(map(len, self.rest))


def _windows(model: LoadedModel, texts: Sequence[str], tokens: int, seed: int) -> list[Tokens]:
    """The windows that a census reads, in a random order."""
    chosen = [window for _, window in drawn_windows(model, texts, tokens, seed)]
    read = sum(len(window) - 1 for window in chosen)
    if read < LEAST:
        raise AnalysisError(
            f"A census needs at least {LEAST:,} tokens; these texts give {read:,}. Bring more text, or use the shipped "
            "one."
        )
    return chosen


def _groups(model: LoadedModel, text: _Text) -> list[tuple[Site, ...]]:
    """Layers that are counted together, so that they fit the room; each group runs the text once."""
    sampled = sum(len(window) for batch in text.sampled for window in batch)
    layer = model.n_neurons * (2 * sampled + len(text.positions) // 8 + 16 * (int(text.positions.max()) + 1))
    many = max(1, ROOM // layer)
    sites = model.neuron_sites()
    return [sites[start : start + many] for start in range(0, len(sites), many)]


def _counted(model: LoadedModel, sites: tuple[Site, ...], text: _Text, report: Report) -> list[dict]:
    """The neurons of some layers."""
    before, total = 0, text.windows
    kept: dict[Site, list[np.ndarray]] = {site: [] for site in sites}
    usual = []
    for batch in text.sampled:
        report(_reading(sites), before, total)
        values, fine = _values(model, sites, batch)
        usual.append(fine)
        for site in sites:
            kept[site].append(values[site].astype(np.float16))
        before += len(batch)
    tallies = {site: _begun(model, site, kept.pop(site), np.concatenate(usual), text) for site in sites}
    for batch in text.rest:
        report(_reading(sites), before, total)
        values, fine = _values(model, sites, batch)
        for site in sites:
            tallies[site].add(values[site], fine)
        before += len(batch)
    found = []
    for site in sites:
        report(f"Sorting the neurons of layer {site.layer}", before, total)
        found.append(_sorted(tallies.pop(site), text))
    return found


def _begun(
    model: LoadedModel, site: Site, kept: list[np.ndarray], usual: Bool[np.ndarray, " token"], text: _Text
) -> Tally:
    """A layer's tally over the sampled tokens, by the rule that they set."""
    values = np.concatenate(kept).astype(np.float32)
    rule = rule_of(values[usual], _lengths(model, site.layer))
    tally = Tally(rule, text.positions, text.dealt)
    tally.add(values, usual)
    return tally


def _lengths(model: LoadedModel, layer: int) -> Float32[np.ndarray, " neuron"]:
    """Of what one unit of each neuron adds to the residual stream."""

    def some(rows: slice) -> torch.Tensor:
        axes = torch.nn.functional.one_hot(torch.arange(rows.start, rows.stop), model.n_neurons)
        return model.parts.written(layer, axes.float()).norm(dim=1)

    pieces = [model.on_worker(lambda rows=rows: some(rows)) for rows in in_chunks(model.n_neurons, CHUNK)]
    return torch.cat(pieces).numpy()


def _reading(sites: tuple[Site, ...]) -> str:
    return f"Reading neurons of layers {sites[0].layer} to {sites[-1].layer}"


def _values(
    model: LoadedModel, sites: tuple[Site, ...], batch: list[Tokens]
) -> tuple[dict[Site, Float32[np.ndarray, "token neuron"]], Bool[np.ndarray, " token"]]:
    """Activations behind first tokens, and which of the tokens are no outliers of norm."""
    middle = Site(max(1, model.n_layers // 2))
    trace = model.run(batch, read=(*sites, middle))
    behind = {
        site: np.concatenate([trace.at(site, row)[1:] for row in range(len(batch))])
        for site in (*sites, middle)
    }
    norms = np.linalg.norm(behind.pop(middle), axis=1)
    return behind, samples.usual_norms(norms[None])


def _sorted(tally: Tally, text: _Text) -> dict:
    """One layer's rows of the census."""
    activity = tally.activity()
    base = _by_frequency(activity)
    kinds, best = _sorted_by(activity, base, text, None)
    shuffled, _ = _sorted_by(activity, base, text, text.dealt)
    return {
        "kinds": kinds,
        "shuffled": shuffled,
        "frequency": activity.frequency,
        "information": activity.information,
        "rectified": activity.rectified,
        "tokens": activity.tokens,
        **best,
    }


def _by_frequency(activity: Activity) -> Int8[np.ndarray, " neuron"]:
    """What frequency alone says."""
    kinds = np.full(len(activity.frequency), KINDS.index("other"), np.int8)
    kinds[activity.frequency > DENSE] = KINDS.index("dense")
    few = activity.rectified & (activity.peaks < FEWEST)  # too few to say what it is active at
    kinds[(activity.frequency < RARE) | few] = KINDS.index("rare")
    kinds[activity.frequency == 0] = KINDS.index("silent")
    return kinds


def _sorted_by(
    activity: Activity,
    base: Int8[np.ndarray, " neuron"],
    text: _Text,
    dealt: Int32[np.ndarray, " token"] | None,
) -> tuple[Int8[np.ndarray, " neuron"], dict[str, np.ndarray]]:
    """Kinds, and triggers; with `dealt`, of the same activity over other tokens and positions."""
    kinds = base.copy()
    information = activity.information if dealt is None else activity.shuffled_information
    able = ~np.isin(base, [KINDS.index("silent"), KINDS.index("rare")]) & (activity.peaks >= FEWEST)
    kinds[able & (information > INFORMATIVE)] = KINDS.index("place")
    best = _nothing(len(base))
    tokens = triggers(activity, text.grams[0], able, dealt)
    open_ = able & (tokens.coverage >= COVERED)  # what sequences cover, their last tokens do
    kinds[open_] = KINDS.index("token")
    _say(best, tokens, able)
    for grams_ in text.grams[1:]:
        found = triggers(activity, grams_, open_, dealt)
        narrow = open_ & (found.coverage >= COVERED) & (found.share <= NARROW)
        kinds[narrow] = KINDS.index("phrase")
        _say(best, found, narrow)
        open_ &= ~narrow
    return kinds, best


def _say(best: dict[str, np.ndarray], found: Triggers, of: Bool[np.ndarray, " neuron"]) -> None:
    """Write triggers down for some neurons."""
    best["coverage"][of], best["hits"][of] = found.coverage[of], found.hits[of]
    best["triggers"][of] = -1
    best["triggers"][of, :, ORDERS[-1] - found.ids.shape[2] :] = found.ids[of]


def _nothing(neurons: int) -> dict[str, np.ndarray]:
    """No trigger of any neuron."""
    return {
        "coverage": np.zeros(neurons, np.float32),
        "triggers": np.full((neurons, TRIGGERS, ORDERS[-1]), -1, np.int32),
        "hits": np.zeros((neurons, TRIGGERS), np.int32),
    }


def _key(model: LoadedModel, windows: list[Tokens], seed: int) -> str:
    ids = tuple(np.array(window.ids, np.int32) for window in windows)
    rules = (SAMPLE, RARE, DENSE, COVERED, NARROW, INFORMATIVE, FEWEST, TRIGGERS, LOUD, PEAKS, PLACED)
    return fingerprint("census", model.fingerprint, ids, seed, rules)


def _read(place: Path, provenance: Provenance) -> Census:
    arrays, said = store.read_tensors(place)
    return Census(
        **arrays, rectified=said["rectified"] == "1", tokens=int(said["tokens"]), provenance=provenance
    )


def _provenance(model: LoadedModel, seed: int) -> Provenance:
    settings = (("seed", str(seed)), ("thresholds from tokens", f"{SAMPLE:,}"))
    return Provenance(
        model.title, model.revision, model.dtype_name, "census of neurons", SOURCE, MISLEADS, settings
    )
