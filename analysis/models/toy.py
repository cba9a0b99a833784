"""Two tiny models, for tests and for teaching. They are always called toys."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

LAYERS, D_MODEL, VOCABULARY = 3, 22, 283
"""The random toy's axes: distinct, and prime where attention heads allow it, so that swapped axes fail."""

PLANTED_TOKEN = "Z"
"""Adding about three times `planted_direction()` to the residual stream at any layer makes the planted toy say it."""


@dataclass(frozen=True)
class Toy:
    """A network and its tokenizer, made in memory."""

    network: LlamaForCausalLM
    tokenizer: PreTrainedTokenizerFast
    title: str
    note: str


def build(source: str) -> Toy:
    """Make `toy:random` or `toy:planted`; the same weights every time."""
    return _planted() if source == "toy:planted" else _random()


def planted_direction() -> Float32[np.ndarray, " d_model"]:
    """The unit direction that writes `PLANTED_TOKEN` in the planted toy."""
    axis = np.zeros(D_MODEL, np.float32)
    axis[-1] = 1
    return axis


def _network(seed: int) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=D_MODEL,
        intermediate_size=37,
        num_hidden_layers=LAYERS,
        num_attention_heads=11,
        num_key_value_heads=11,
        max_position_embeddings=1024,
        bos_token_id=256,
        eos_token_id=257,
        pad_token_id=257,
        tie_word_embeddings=False,
    )
    # Weights of our own generator: building a toy must not move the process's random state.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = LlamaForCausalLM(config).eval()
        with torch.no_grad():
            for weight in network.parameters():
                # large enough that attention is not uniform, with norm gains that are not all 1
                weight.copy_(
                    torch.randn_like(weight) * (0.3 if weight.dim() > 1 else 0.2) + (weight.dim() == 1)
                )
    return network.requires_grad_(False)


def _random() -> Toy:
    return Toy(_network(seed=7), _tokenizer(), "toy: random weights", "Random weights: it knows nothing.")


def _planted() -> Toy:
    """The random toy with one axis that nothing reads or writes but the unembedding of one token."""
    network, tokenizer = _network(seed=11), _tokenizer()
    token = tokenizer.convert_tokens_to_ids(PLANTED_TOKEN)
    with torch.no_grad():
        network.model.embed_tokens.weight[:, -1] = 0
        for block in network.model.layers:
            for reader in (block.self_attn.q_proj, block.self_attn.k_proj, block.self_attn.v_proj):
                reader.weight[:, -1] = 0
            for reader in (block.mlp.gate_proj, block.mlp.up_proj):
                reader.weight[:, -1] = 0
            block.self_attn.o_proj.weight[-1] = 0
            block.mlp.down_proj.weight[-1] = 0
        network.lm_head.weight[:, -1] = 0
        network.lm_head.weight[token] = 0
        network.lm_head.weight[token, -1] = 8
        network.model.norm.weight[-1] = 1
    return Toy(
        network,
        tokenizer,
        "toy: planted direction",
        f"One direction writes {PLANTED_TOKEN!r}, at every layer.",
    )


def _tokenizer() -> PreTrainedTokenizerFast:
    """One token a byte, the shortest vocabulary that can write any text, and a few short words."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    specials = ["<bos>", "<eos>"]
    words = [
        "th",
        "he",
        "in",
        "er",
        "an",
        "on",
        "re",
        "nd",
        "at",
        "en",
        "es",
        "or",
        "ti",
        "te",
        "is",
        "it",
        "al",
    ]
    merges = [(word[0], word[1]) for word in words]
    vocabulary = {token: i for i, token in enumerate([*alphabet, *specials, *words])}
    backend = Backend(models.BPE(vocab=vocabulary, merges=merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<bos>", eos_token="<eos>")
