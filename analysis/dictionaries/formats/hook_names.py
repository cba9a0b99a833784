"""Places of a network by the names that other tools give them."""

import re

from analysis.edits import Site
from analysis.errors import AnalysisError

LENS = re.compile(
    r"blocks\.(\d{1,4})\.(hook_resid_pre|hook_resid_post|hook_attn_out|hook_mlp_out|mlp\.hook_post)"
)
"""TransformerLens' names."""
MODULE = re.compile(
    r"(?:[a-z_]+\.)*(?:layers|h|blocks)\.(\d{1,4})(?:\.(mlp|feed_forward|self_attn|attn|attention|self_attention))?"
)
"""Paths of modules of transformers: a block itself, or one of its two parts; what they put out."""
EMBEDDINGS = ("hook_embed", "embed_tokens", "model.embed_tokens", "transformer.wte", "gpt_neox.embed_in")
STREAMS = {"hook_attn_out": "attention", "hook_mlp_out": "mlp", "mlp.hook_post": "neurons"}
HOOKS = {stream: hook for hook, stream in STREAMS.items()}


def site_of(hook: str) -> Site:
    """The place that a hook's name means.

    Args:
        hook: `blocks.15.hook_resid_post`, `model.layers.15.mlp`, `layers.15`: blocks count from 0.

    Returns:
        Where it reads: the output of block N is layer N + 1, what goes into block N is layer N.

    Raises:
        AnalysisError: there is no such place here.
    Misleads when: a module's path ends in the MLP or the attention of a family that normalises what they add
        (Gemma 2 and 3, OLMo 2): transformers' module ends before that norm, and the site lies behind it.
    """
    if hook in EMBEDDINGS:
        return Site(0)
    if found := LENS.fullmatch(hook):
        block, what = int(found[1]), found[2]
        if what == "hook_resid_pre":
            return Site(block)
        return Site(block + 1, STREAMS.get(what, "residual"))
    if found := MODULE.fullmatch(hook):
        part = found[2]
        stream = "residual" if part is None else "mlp" if part in ("mlp", "feed_forward") else "attention"
        return Site(int(found[1]) + 1, stream)
    raise AnalysisError(
        f"The dictionary reads at {hook[:80]!r}, which is no place that can be read here. Expected the residual stream "
        "before or after a block (blocks.N.hook_resid_pre, blocks.N.hook_resid_post, model.layers.N), what attention "
        "or an MLP adds (hook_attn_out, hook_mlp_out), or an MLP's neurons (mlp.hook_post). Choose another dictionary."
    )


def hook_of(site: Site) -> str:
    """TransformerLens' name of a place; `site_of` gives it back."""
    if site.stream == "residual":
        return f"blocks.{site.layer - 1}.hook_resid_post" if site.layer else "blocks.0.hook_resid_pre"
    return f"blocks.{site.layer - 1}.{HOOKS[site.stream]}"


def said(site: Site) -> str:
    """A place in words that stand at the beginning of a name."""
    what = {
        "attention": ", what attention adds",
        "mlp": ", what the MLP adds",
        "neurons": ", the MLP's neurons",
    }
    return f"Layer {site.layer}{what.get(site.stream, '')}"
