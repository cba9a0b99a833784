"""Where each model family keeps its parts: one row a family.

The vocabulary laid over transformers' names: the `blocks`, what the attention and the MLP of a block add
to the residual stream, the final norm, and what is done to the logits. A row is only a claim; every
loaded model has to prove it (`analysis.models.parity`).
"""

from dataclasses import dataclass

from torch import Tensor, nn

from analysis.errors import AnalysisError


@dataclass(frozen=True)
class Layout:
    """The names one model family gives to its parts."""

    family: str
    model_types: tuple[str, ...]
    """`model_type` of the configurations it covers."""
    blocks: str = "model.layers"
    norm: str = "model.norm"
    """The norm between the last block and the unembedding."""
    norm_may_be_absent: bool = False
    """True where some models of the family have no such norm (their blocks end in one)."""
    attention: str = "self_attn"
    """Within a block: the module whose output is what attention adds to the residual stream."""
    mlp: str = "mlp"
    """Within a block: the module whose output is what the MLP adds to the residual stream."""
    neurons: str | None = "mlp.down_proj"
    """Within a block: the linear map that reads the MLP's neurons; None where experts have neurons of their own."""
    after_norm: str | None = None
    """A projection between the final norm and the unembedding, where there is one."""
    softcap: str | None = None
    """Configuration field c of logits c * tanh(z / c)."""
    logit_divisor: str | None = None
    """Configuration field that divides the logits."""
    write_scale: str | None = None
    """Configuration field that multiplies what attention and MLP add."""
    block_returns_tuple: bool = False
    """True where a block returns (residual, attention weights) instead of the residual alone."""
    remark: str = ""
    """What a reader of this family's layers should know."""


_POST_NORM = {"attention": "post_attention_layernorm", "mlp": "post_feedforward_layernorm"}

LAYOUTS = (
    Layout("Llama", ("llama", "mistral", "smollm3")),
    Layout("Qwen", ("qwen2", "qwen3")),
    Layout(
        "GPT-2",
        ("gpt2",),
        blocks="transformer.h",
        norm="transformer.ln_f",
        attention="attn",
        neurons="mlp.c_proj",
        remark="Layer 0 holds the sum of token and position embeddings.",
    ),
    Layout(
        "GPT-NeoX",
        ("gpt_neox",),
        blocks="gpt_neox.layers",
        norm="gpt_neox.final_layer_norm",
        attention="attention",
        neurons="mlp.dense_4h_to_h",
        remark="Attention and MLP of a block read the same stream (Pythia).",
    ),
    Layout(
        "Gemma 2 and 3",
        ("gemma2", "gemma3_text"),
        **_POST_NORM,
        softcap="final_logit_softcapping",
        remark="Writes are normed before they are added; layer 0 holds the scaled embedding.",
    ),
    Layout("OLMo 2", ("olmo2", "olmo3"), **_POST_NORM, remark="Writes are normed before they are added."),
    Layout(
        "Phi",
        ("phi",),
        norm="model.final_layernorm",
        neurons="mlp.fc2",
        remark="Attention and MLP read the same stream.",
    ),
    Layout("Phi-3", ("phi3",)),
    Layout(
        "OPT",
        ("opt",),
        blocks="model.decoder.layers",
        norm="model.decoder.final_layer_norm",
        norm_may_be_absent=True,
        after_norm="model.decoder.project_out",
        mlp="fc2",
        neurons="fc2",
        remark="Layer 0 holds the sum of token and position embeddings.",
    ),
    Layout(
        "Falcon",
        ("falcon",),
        blocks="transformer.h",
        norm="transformer.ln_f",
        attention="self_attention",
        neurons="mlp.dense_4h_to_h",
        block_returns_tuple=True,
    ),
    Layout("Granite", ("granite",), logit_divisor="logits_scaling", write_scale="residual_multiplier"),
    Layout(
        "Mixture of experts",
        ("mixtral", "olmoe", "qwen3_moe"),
        neurons=None,
        remark="The MLP write sums the routed experts.",
    ),
)
"""Every family there is."""


@dataclass(frozen=True)
class Parts:
    """The modules of one loaded model, under one vocabulary."""

    layout: Layout
    known: bool
    """False if the family is not in `LAYOUTS` and the parts were found under another family's names."""
    backbone: nn.Module
    """Everything from the embedding to the final norm."""
    blocks: tuple[nn.Module, ...]
    attention: tuple[nn.Module, ...]
    mlp: tuple[nn.Module, ...]
    neurons: tuple[nn.Module, ...]
    """The map of every block that reads its MLP's neurons; empty where the family has none."""
    norm: nn.Module
    after_norm: nn.Module | None
    head: nn.Module
    softcap: float | None
    logit_divisor: float
    write_scale: float

    @property
    def n_neurons(self) -> int:
        """Neurons in the MLP of every block; 0 where the family keeps them in experts."""
        if not self.neurons:
            return 0
        weight, wide = self.neurons[0].weight, isinstance(self.neurons[0], nn.Linear)
        return weight.shape[1 if wide else 0]  # GPT-2 keeps its maps the other way round

    def read_out(self, residual: Tensor, words: list[int] | None = None) -> Tensor:
        """Logits the model would give if `residual` came out of its last block.

        The final norm runs on the given states with their own statistics, then the unembedding (all of it,
        or the rows of the chosen words), then the family's softcap or divisor.
        """
        hidden = self.norm(residual)
        if self.after_norm is not None:
            hidden = self.after_norm(hidden)
        if words is None:
            return self.finish(self.head(hidden))
        bias = None if self.head.bias is None else self.head.bias[words]
        return self.finish(nn.functional.linear(hidden, self.head.weight[words], bias))

    def written(self, layer: int, neurons: Tensor) -> Tensor:
        """What rows of neurons (row, neuron) make the MLP of block `layer` add, without its bias; float32."""
        last = self.neurons[layer - 1]
        bias = 0 if last.bias is None else last.bias
        return (last(neurons.to(last.weight.dtype)) - bias).float() * self.write_scale

    def finish(self, logits: Tensor) -> Tensor:
        """What the family does to the unembedding's output."""
        if self.logit_divisor != 1.0:
            logits = logits / self.logit_divisor
        if self.softcap is not None:
            logits = (logits / self.softcap).tanh() * self.softcap
        return logits


def find_parts(model: nn.Module) -> Parts:
    """Lay the vocabulary over a transformers causal language model.

    Raises:
        AnalysisError: the family is unknown and a part was not found; the sentence says which.
    """
    config = model.config
    layout = next((row for row in LAYOUTS if config.model_type in row.model_types), None)
    return _fill(model, layout, known=True) if layout else _guess(model)


def _guess(model: nn.Module) -> Parts:
    """Try every family's names; the model must still prove that they mean what they say."""
    closest, missing = "", ()
    for layout in LAYOUTS:
        absent = tuple(part for part, path in _paths(layout) if _find(model, path) is None)
        if not absent:
            return _fill(model, layout, known=False)
        if not missing or len(absent) < len(missing):
            closest, missing = layout.family, absent
    raise AnalysisError(
        f"Models of type {model.config.model_type!r} are not known here. Under the names of the closest "
        f"family ({closest}) these parts were not found: {', '.join(missing)}. "
        f"Known families: {', '.join(row.family for row in LAYOUTS)}."
    )


def _paths(layout: Layout) -> tuple[tuple[str, str], ...]:
    return (
        ("the list of blocks", layout.blocks),
        ("the final norm", layout.norm),
        ("the attention of a block", f"{layout.blocks}.0.{layout.attention}"),
        ("the MLP of a block", f"{layout.blocks}.0.{layout.mlp}"),
    )


def _fill(model: nn.Module, layout: Layout, known: bool) -> Parts:
    for part, path in _paths(layout):
        if _find(model, path) is None and not (path == layout.norm and layout.norm_may_be_absent):
            raise AnalysisError(
                f"This {layout.family} model (type {model.config.model_type!r}) has no {part.removeprefix('the ')} "
                f"at {path!r}, where its family keeps it. Its code may be newer than this program knows."
            )
    blocks = tuple(_find(model, layout.blocks))
    config = model.config
    return Parts(
        layout=layout,
        known=known,
        backbone=getattr(model, model.base_model_prefix),
        blocks=blocks,
        attention=tuple(_find(block, layout.attention) for block in blocks),
        mlp=tuple(_find(block, layout.mlp) for block in blocks),
        neurons=_neurons(blocks, layout),
        norm=_find(model, layout.norm) or nn.Identity(),
        after_norm=_find(model, layout.after_norm) if layout.after_norm else None,
        head=model.get_output_embeddings(),
        softcap=_number(config, layout.softcap, None),
        logit_divisor=_number(config, layout.logit_divisor, 1.0),
        write_scale=_number(config, layout.write_scale, 1.0),
    )


def _neurons(blocks: tuple[nn.Module, ...], layout: Layout) -> tuple[nn.Module, ...]:
    found = tuple(_find(block, layout.neurons) for block in blocks) if layout.neurons else ()
    return () if None in found else found


def _number(config, name: str | None, otherwise):
    value = getattr(config, name, None) if name else None
    return otherwise if value is None else float(value)


def _find(module: nn.Module, path: str) -> nn.Module | None:
    for name in path.split("."):
        module = getattr(module, name, None)
        if module is None:
            return None
    return module
