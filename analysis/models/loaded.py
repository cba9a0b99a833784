"""A model ready to be read, changed and continued: the only way to the network."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Literal, get_args

import numpy as np
import psutil
import torch
from jaxtyping import Float
from torch import Tensor, nn

from analysis import jobs
from analysis.activations import Row, Trace
from analysis.edits import BASE, Edit, Part, Site, Stream, Variant, width_of
from analysis.errors import AnalysisError
from analysis.fingerprint import fingerprint
from analysis.models import decode, hooks
from analysis.models.layouts import Parts
from analysis.models.prefix import Prefix, lowest_layer, read_prefix
from analysis.models.spec import ModelSpec
from analysis.models.tokenizer import Tokenizer
from analysis.tokens import Tokens

MEMORY_SHARE = 0.5
"""Of the memory that is free, the share one request may take."""


class LoadedModel:
    """One model, one worker thread; safe to use from any number of threads."""

    def __init__(
        self, spec: ModelSpec, network: nn.Module, tokenizer, parts: Parts, *, title: str, revision: str
    ):
        self.spec = spec
        self.title = title
        self.revision = revision
        self.parts = parts
        self.worker = jobs.Worker(title)
        self.dtype: torch.dtype = network.dtype
        self.n_layers = len(parts.blocks)
        self.vocabulary: int = parts.head.weight.shape[0]
        self.d_model: int = network.config.hidden_size
        self.context: int | None = getattr(network.config, "max_position_embeddings", None)
        self.tokenizer = Tokenizer(tokenizer, self.vocabulary)
        self.parity = ()
        """The checks this model passed or failed at load (`analysis.models.parity`)."""
        self.dtype_reason = ""
        self.fingerprint = identity(title, revision, self.dtype)
        """Identity of the weights in this precision: results and fits belong to it."""
        self.network = network
        hooks.install(parts)

    def __repr__(self) -> str:
        return f"<{self.title}: {self.n_layers} layers, d_model {self.d_model}, {self.dtype_name}>"

    @property
    def dtype_name(self) -> str:
        """`float32` or `bfloat16`."""
        return str(self.dtype).removeprefix("torch.")

    @property
    def n_neurons(self) -> int:
        """Neurons in the MLP of every block; 0 where the family keeps them in experts."""
        return self.parts.n_neurons

    @property
    def n_parameters(self) -> int:
        """Weights, tied ones counted once."""
        return sum(weight.numel() for weight in self.network.parameters())

    @property
    def n_bytes(self) -> int:
        """Memory of the weights."""
        return sum(weight.numel() * weight.element_size() for weight in self.network.parameters())

    def residual_sites(self) -> tuple[Site, ...]:
        """The residual stream at layers 0 to L."""
        return tuple(Site(layer) for layer in range(self.n_layers + 1))

    def write_sites(self) -> tuple[Site, ...]:
        """What attention and MLP add at layers 1 to L."""
        return tuple(
            Site(layer, stream) for layer in range(1, self.n_layers + 1) for stream in ("attention", "mlp")
        )

    def neuron_sites(self) -> tuple[Site, ...]:
        """The MLP's neurons at layers 1 to L; empty where the family keeps them in experts."""
        return tuple(Site(layer + 1, "neurons") for layer in range(len(self.parts.neurons)))

    def tokenize(self, prompt: str, *, chat: bool = False) -> Tokens:
        """A prompt as the model receives it; see `Tokenizer.encode`."""
        return self.tokenizer.encode(prompt, chat=chat)

    def run(
        self,
        prompts: str | Tokens | Sequence[str | Tokens],
        *,
        read: Sequence[Site] | Literal["residual", "all"] = "residual",
        variants: Sequence[Variant] = (BASE,),
    ) -> Trace:
        """Run prompts once under every variant, in one batch, and read activations.

        Rows are every prompt under the first variant, then under the second, and so on. An edit touches
        its own row only, so a control in the same batch is a control.

        Args:
            prompts: texts, or tokens already made.
            read: sites to keep; `residual` is the stream at layers 0 to L, `all` adds every write.
            variants: the edits of each row.

        Raises:
            AnalysisError: a prompt is empty or too long for the model or for memory (with the numbers),
                a site does not exist, or an activation is not finite (the first such layer is named).
        """
        tokens = self._as_tokens(prompts)
        sites = self._sites(read)
        self._check_variants(variants)
        rows = tuple(Row(p, variant.name) for variant in variants for p in range(len(tokens)))
        batch = [tokens[row.prompt] for row in rows]
        self._check_room(batch, sites)
        plan = self._plan(sites, variants, batch, len(tokens))
        return self.worker.do(lambda: self._forward(plan, rows, batch, sites))

    def rerun(
        self,
        trace: Trace,
        *,
        read: Sequence[Site] | Literal["residual", "all"] = "residual",
        variants: Sequence[Variant],
    ) -> Trace:
        """Run the base rows of a trace again under edits, computing only what the edits can change.

        An edit leaves every layer below it as it was, so the pass resumes at the lowest edited layer
        from the residual stream the trace kept; layers below are copied from it.

        Raises:
            AnalysisError: the trace is another model's, or did not keep the stream where to resume.
        """
        if trace.model != self.fingerprint:
            raise AnalysisError("This trace was read from another model; run the prompt on this one first.")
        base = [i for i, row in enumerate(trace.rows) if row.variant == BASE.name]
        if not base:
            raise AnalysisError(
                "This trace holds no unedited run to resume from; run with BASE among the variants."
            )
        self._check_variants(variants)
        sites = self._sites(read)
        layer = min((lowest_layer(variant.edits, self.n_layers) for variant in variants), default=0)
        if layer == 0:
            return self.run([trace.tokens[i] for i in base], read=sites, variants=variants)
        rows = tuple(Row(trace.rows[i].prompt, variant.name) for variant in variants for i in base)
        batch = [trace.tokens[i] for _ in variants for i in base]
        self._check_room(batch, sites)
        plan = self._plan(sites, variants, batch, len(base))
        stream = np.stack([trace.values[trace.index(Site(layer)), i] for _ in variants for i in base])
        plan.resume = (layer, torch.from_numpy(stream))
        below = {
            site: np.stack([trace.values[trace.index(site), i] for _ in variants for i in base])
            for site in sites
            if site.layer < layer or (site.layer == layer and site.stream != "residual")
        }
        plan.reads = frozenset(sites) - below.keys()
        return self.worker.do(lambda: self._forward(plan, rows, batch, sites, below))

    def prefix(self, prompt: str | Tokens) -> Prefix:
        """Run a prompt once, unedited, for generations under edits to begin from.

        Raises:
            AnalysisError: the prompt is empty or too long for the model or for memory.
        """
        (tokens,) = self._as_tokens(prompt)
        return self.worker.do(lambda: read_prefix(self, tokens))

    def generate(
        self,
        prompt: str | Tokens,
        *,
        variants: Sequence[Variant] = (BASE,),
        sampling: decode.Sampling = decode.GREEDY,
        max_new_tokens: int = 64,
        read: Sequence[Site] = (),
        prefix: Prefix | None = None,
    ) -> Iterator[decode.Step]:
        """Continue a prompt token by token, every variant a row of the same batch.

        Each step is one call of the worker, so other sessions' work runs in between, and a caller that
        stops iterating has stopped the generation.

        With a prefix the prompt is not run again below the edits, and the first tokens come in two steps:
        those of the unedited rows and of the first edited one, then those of the other rows.

        Args:
            prompt: a text, or tokens already made.
            variants: edits of each row; all rows share the prompt and the seed.
            sampling: greedy, or how to draw.
            max_new_tokens: at most so many; a row ends earlier at the model's end token.
            read: sites to keep for every token the pass runs over; the whole prompt then runs, prefix or not.
            prefix: what `prefix` made of the same prompt; it changes no token, only when the first ones come.

        Raises:
            AnalysisError: as for `run`; the text would outgrow the model's context; the prefix is another
                prompt's or another model's; or every row's numbers have stopped being finite.
        """
        (tokens,) = self._as_tokens(prompt)
        self._check_variants(variants)
        self._sites(read)
        self._check_context(
            len(tokens) + max_new_tokens, f"{len(tokens)} of the prompt and {max_new_tokens} new"
        )
        if prefix is not None:
            prefix.require(self.fingerprint, tokens)
        request = decode.Request(tokens, tuple(variants), sampling, max_new_tokens, tuple(read), prefix)
        yield from decode.decode(self, request)

    def read_out(
        self, residual: Float[Tensor, "point d_model"], words: list[int] | None = None
    ) -> Float[Tensor, "point word"]:
        """Logits, of all words or of chosen ones, of states taken as the last layer's; call it inside `on_worker`."""
        return self.parts.read_out(residual.to(self.dtype), words)

    def on_worker(self, call):
        """Run `call()` in the model's thread without gradients; for code that needs its weights."""

        def guarded():
            with torch.inference_mode():
                return call()

        return self.worker.do(guarded)

    def close(self) -> None:
        """End the worker; the model cannot be used afterwards."""
        self.worker.close()

    def _forward(
        self,
        plan: hooks.Plan,
        rows: tuple[Row, ...],
        batch: list[Tokens],
        sites: tuple[Site, ...],
        below: dict[Site, np.ndarray] | None = None,
    ) -> Trace:
        lengths = [len(tokens) for tokens in batch]
        ids, mask = _padded(batch)
        whole = bool(mask.all())
        narrow = tuple(site for site in sites if site.stream != "neurons")
        room = torch.empty(len(narrow), len(rows), max(lengths), self.d_model)
        # hooks write where the trace will be: one copy, not two
        plan.room = dict(zip(narrow, room, strict=True))
        with torch.inference_mode(), hooks.carrying_out(plan):
            self.parts.backbone(input_ids=ids, attention_mask=None if whole else mask.long(), use_cache=False)
        values = room.numpy()
        for site, source in (below or {}).items():
            values[narrow.index(site)] = source
        neurons = {site: plan.captured[site].float().numpy() for site in sites if site.stream == "neurons"}
        if not whole:
            values[:, ~mask.numpy()] = 0
            for wide in neurons.values():
                wide[~mask.numpy()] = 0
        _require_finite(values, narrow, self)
        for site, wide in neurons.items():
            _require_finite(wide[None], (site,), self)
        return Trace(self.fingerprint, rows, tuple(batch), narrow, values, mask.numpy(), neurons)

    def _as_tokens(self, prompts: str | Tokens | Sequence[str | Tokens]) -> list[Tokens]:
        several = [prompts] if isinstance(prompts, (str, Tokens)) else list(prompts)
        if not several:
            raise AnalysisError("No prompt was given. Give at least one text.")
        tokens = [self.tokenize(item) if isinstance(item, str) else item for item in several]
        for item in tokens:
            self.check_length(item)
        return tokens

    def check_length(self, tokens: Tokens) -> None:
        """Refuse a text that the model or the memory cannot hold, before it runs.

        Raises:
            AnalysisError: with the numbers.
        """
        self._check_context(len(tokens), "of the prompt")
        self._check_room([tokens], self.residual_sites())

    def _check_context(self, length: int, what: str) -> None:
        if self.context is not None and length > self.context:
            raise AnalysisError(
                f"The text has {length:,} tokens ({what}); {self.title} reads at most {self.context:,}. Shorten it."
            )

    def _check_room(self, batch: list[Tokens], sites: Sequence[Site]) -> None:
        positions = len(batch) * max(len(tokens) for tokens in batch)
        numbers = positions * sum(map(self._width, sites))
        needed = numbers * (4 + self.dtype.itemsize)
        room = int(psutil.virtual_memory().available * MEMORY_SHARE)
        if needed > room:
            raise AnalysisError(
                f"Reading {len(sites)} sites of {positions:,} tokens takes {needed / 2**30:.1f} GiB; "
                f"{room / 2**30:.1f} GiB may be used. Shorten the text or read fewer layers."
            )

    def _width(self, site: Site) -> int:
        return self.n_neurons if site.stream == "neurons" else self.d_model

    def _sites(self, read: Sequence[Site] | str) -> tuple[Site, ...]:
        if read == "residual":
            return self.residual_sites()
        if read == "all":
            return self.residual_sites() + self.write_sites()
        for site in read:
            self._check_site(site)
        return tuple(dict.fromkeys(read))

    def _check_site(self, site: Site) -> None:
        lowest = 0 if site.stream == "residual" else 1
        if site.stream == "neurons" and not self.parts.neurons:
            raise AnalysisError(
                f"{self.title} keeps its neurons in experts, which cannot be read; read the mlp's output."
            )
        if not lowest <= site.layer <= self.n_layers or site.stream not in get_args(Stream) + ("neurons",):
            raise AnalysisError(
                f"{self.title} has no {site}: layers run from {lowest} to {self.n_layers}, "
                "streams are residual, attention, mlp and neurons."
            )

    def _check_variants(self, variants: Sequence[Variant]) -> None:
        names = [variant.name for variant in variants]
        if not names or len(set(names)) < len(names):
            raise AnalysisError(f"Variants need names of their own; given {names or 'none'}.")
        if any(variant.name == BASE.name and variant.edits for variant in variants):
            raise AnalysisError(f"{BASE.name!r} names the unedited run; give the edited one another name.")
        for edit in itertools.chain.from_iterable(variant.edits for variant in variants):
            self._check_edit(edit)

    def _check_edit(self, edit: Edit) -> None:
        self._check_site(edit.site)
        _require_positions(edit)
        width, own = width_of(edit), self._width(edit.site)
        if width not in (None, own):
            raise AnalysisError(
                f"An edit for {self.title} at {edit.site} needs vectors of {own} numbers; given {width}."
            )

    def _plan(
        self, sites: tuple[Site, ...], variants: Sequence[Variant], batch: list[Tokens], prompts: int
    ) -> hooks.Plan:
        return hooks.Plan(
            reads=frozenset(sites),
            edits=hooks.edits_of([variant for variant in variants for _ in range(prompts)]),
            prompt_lengths=tuple(tokens.prompt_length for tokens in batch),
            lengths=tuple(len(tokens) for tokens in batch),
            until=max((site.layer for site in sites), default=None),
        )


def identity(title: str, revision: str, dtype: torch.dtype) -> str:
    """Fingerprint of one model's weights in one precision, before or after they are loaded."""
    return fingerprint(title, revision, str(dtype))


def _require_positions(edit: Edit) -> None:
    """A position that never comes would let the edit do nothing, in silence."""
    given = edit.positions
    if given not in get_args(Part) and not (isinstance(given, tuple) and given and min(given) >= 0):
        raise AnalysisError(
            f"An edit's positions are {', '.join(map(repr, get_args(Part)))} or a tuple of positions counted from 0; "
            f"given {given!r}."
        )


def _padded(batch: list[Tokens]) -> tuple[Tensor, Tensor]:
    longest = max(len(tokens) for tokens in batch)
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    mask = torch.zeros(len(batch), longest, dtype=torch.bool)
    for row, tokens in enumerate(batch):
        ids[row, : len(tokens)] = torch.tensor(tokens.ids)
        mask[row, : len(tokens)] = True
    return ids, mask


def _require_finite(values: np.ndarray, sites: tuple[Site, ...], model: LoadedModel) -> None:
    # a sum is finite only if every term is, and reads the memory once
    sums = torch.from_numpy(values).flatten(1).sum(1)
    bad = [sites[i] for i in (~sums.isfinite()).nonzero()[:, 0] if not np.isfinite(values[i]).all()]
    if bad:
        raise AnalysisError(
            f"{model.title} in {model.dtype_name} gives numbers that are not finite, first at {min(bad)}. "
            "Weights may be damaged or an edit too strong; float32 or a smaller edit may help."
        )
