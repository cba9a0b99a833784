"""What every test shares: checked array shapes, no network, tiny models, and a watch over their hooks."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from tests import annotation_checks  # noqa: E402

annotation_checks.install()  # before anything imports `analysis`

from dataclasses import dataclass  # noqa: E402
from functools import lru_cache  # noqa: E402

import hypothesis  # noqa: E402
import jaxtyping  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

from analysis.models import toy as toys  # noqa: E402
from analysis.models.loaded import LoadedModel  # noqa: E402
from analysis.models.opening import wrap  # noqa: E402
from analysis.models.spec import ModelSpec  # noqa: E402

torch.set_num_threads(1 if "PYTEST_XDIST_WORKER" in os.environ else 2)  # workers share the cores
# The same examples on every machine, and no deadline: test machines are shared.
hypothesis.settings.register_profile("steady", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("steady")

SHARED: list[tuple[list[dict], int]] = []
"""Where the hooks of every model lie that several tests use, and how many it had when it was made."""

GRID = {
    "hidden_size": 24,
    "intermediate_size": 37,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
"""Four blocks, so that three quarters of the depth is a layer; grouped-query attention with two key heads."""
MANY_HEADS = GRID | {"num_key_value_heads": 4}
EXPERTS = GRID | {"num_experts": 5, "num_experts_per_tok": 2, "intermediate_size": 36}
"""Grouped matrix products want rows of a multiple of 16 bytes."""
PARTLY_ROTATED = {
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.67}
}
"""Four of the six dimensions of a head."""
GPT_NEOX = {key: value for key, value in GRID.items() if key != "num_key_value_heads"} | PARTLY_ROTATED
OPT = {key: GRID[key] for key in ("hidden_size", "num_hidden_layers", "num_attention_heads")} | {
    "ffn_dim": 37
}
FALCON = {key: GRID[key] for key in ("hidden_size", "num_hidden_layers", "num_attention_heads")}

FAMILIES = {
    "gpt2": ("gpt2", {"n_embd": 24, "n_layer": 4, "n_head": 4, "n_inner": 37, "n_positions": 128}),
    "gpt-neox": ("gpt_neox", GPT_NEOX | {"use_parallel_residual": True}),
    "gpt-neox-sequential": ("gpt_neox", GPT_NEOX | {"use_parallel_residual": False}),
    "llama": ("llama", GRID),
    "llama-tied": ("llama", GRID | {"tie_word_embeddings": True}),
    "mistral": ("mistral", GRID | {"sliding_window": 4}),
    "smollm3": ("smollm3", GRID | {"no_rope_layers": [1, 0, 1, 1]}),
    "qwen2": ("qwen2", GRID),
    "qwen3": ("qwen3", GRID | {"head_dim": 6}),
    "gemma2": (
        "gemma2",
        # caps low enough to bend these small logits
        GRID
        | {"head_dim": 6, "sliding_window": 4, "final_logit_softcapping": 3.0, "attn_logit_softcapping": 2.0},
    ),
    "gemma3": ("gemma3_text", GRID | {"head_dim": 6, "sliding_window": 4, "query_pre_attn_scalar": 6}),
    "phi": ("phi", MANY_HEADS | PARTLY_ROTATED),
    "phi3": ("phi3", GRID),
    "opt": ("opt", OPT),
    "opt-projected": ("opt", OPT | {"word_embed_proj_dim": 14}),
    "opt-post-norm": ("opt", OPT | {"do_layer_norm_before": False, "word_embed_proj_dim": 14}),
    "falcon": ("falcon", FALCON | {"parallel_attn": True, "multi_query": True}),
    "falcon-sequential": ("falcon", FALCON | {"parallel_attn": False, "multi_query": True}),
    "falcon-new": ("falcon", FALCON | {"new_decoder_architecture": True, "num_kv_heads": 2}),
    "falcon-alibi": ("falcon", FALCON | {"alibi": True, "parallel_attn": False, "multi_query": False}),
    "olmo2": ("olmo2", GRID),
    "olmo3": ("olmo3", GRID | {"sliding_window": 4}),
    "granite": (
        "granite",
        GRID
        | {
            "embedding_multiplier": 3.0,
            "residual_multiplier": 0.22,
            "logits_scaling": 4.0,
            "attention_multiplier": 0.3,
        },
    ),
    "mixtral": ("mixtral", EXPERTS | {"num_local_experts": 5}),
    "olmoe": ("olmoe", EXPERTS),
    "qwen3-moe": ("qwen3_moe", EXPERTS | {"head_dim": 6, "moe_intermediate_size": 20}),
}
"""Name: (model type, configuration): one tiny model for every way a family can be built."""


BROWSER = "tests/browser/"


@dataclass(frozen=True)
class Family:
    """One tiny model twice: as this program holds it, and as transformers made it, never hooked."""

    name: str
    model: LoadedModel
    plain: torch.nn.Module


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """A worker takes whole files, and one takes all that need a browser, so that the app is started once."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return BROWSER if BROWSER in nodeid else super()._split_scope(nodeid)

    config.option.loadscopereorder = False  # the order is that of `pytest_collection_modifyitems`
    return Scheduling(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """What takes longest comes first, so that no worker is left with it in the end."""
    items.sort(key=lambda item: (BROWSER not in item.nodeid, "tests/pages/" not in item.nodeid))


def pytest_generate_tests(metafunc):
    """Run every test that asks for `family` on every family."""
    if "family" in metafunc.fixturenames:
        metafunc.parametrize("family", FAMILIES, indirect=True, scope="session")


@pytest.fixture(scope="session")
def family(request) -> Family:
    return build_family(request.param)


@pytest.fixture(scope="session")
def families():
    """The builder: `families("gpt2")` is the family of that name."""
    return build_family


@pytest.fixture(scope="session")
def model_types() -> frozenset[str]:
    """The `model_type` of every family that tests build."""
    return frozenset(model_type for model_type, _ in FAMILIES.values())


@pytest.fixture(scope="session")
def network_of():
    """The builder of plain networks: `network_of("llama", hidden_size=24, ...)`."""
    return build_network


@pytest.fixture(scope="session")
def wrapped():
    """The builder of models: `wrapped(network, tokenizer, title)`."""
    return wrap_network


@lru_cache
def build_family(name: str) -> Family:
    model_type, settings = FAMILIES[name]
    model = wrap_network(build_network(model_type, **settings), toys.build("toy:random").tokenizer, name)
    return Family(name, _shared(model), build_network(model_type, **settings))


def build_network(model_type: str, **settings) -> torch.nn.Module:
    """A tiny causal language model in float32; the same weights every time.

    Weights are far larger than at initialisation, or attention would be uniform, and no gain is 1 and no
    bias 0, or half of what a family does differently could not be seen.
    """
    every = {"vocab_size": toys.VOCABULARY, "max_position_embeddings": 128, "bos_token_id": 256}
    ends = {"eos_token_id": None, "pad_token_id": None}
    config = transformers.AutoConfig.for_model(model_type, **(every | ends | settings))
    with torch.random.fork_rng(devices=[]):
        network = transformers.AutoModelForCausalLM.from_config(config).float().eval()
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for weight in network.parameters():
            noise = torch.randn(weight.shape, generator=generator)
            weight.copy_(weight + 0.2 * noise if weight.dim() == 1 else 0.3 * noise)
    return network.requires_grad_(False)


def wrap_network(network: torch.nn.Module, tokenizer, title: str) -> LoadedModel:
    return wrap(ModelSpec("toy:random"), network, tokenizer, title=title)


def _shared(model: LoadedModel) -> LoadedModel:
    modules = list(model.network.modules())
    hooked = [hooks for each in modules for hooks in (each._forward_hooks, each._forward_pre_hooks)]
    SHARED.append((hooked, sum(map(len, hooked))))
    return model


@pytest.fixture(scope="session")
def toy() -> LoadedModel:
    """The random toy: 3 layers, d_model 22, one token a byte."""
    made = toys.build("toy:random")
    return _shared(wrap_network(made.network, made.tokenizer, made.title))


@pytest.fixture(scope="session")
def planted() -> LoadedModel:
    """The toy with a direction that writes one token at every layer."""
    made = toys.build("toy:planted")
    return _shared(wrap_network(made.network, made.tokenizer, made.title))


@pytest.fixture
def own_toy() -> LoadedModel:
    """A random toy of the test's own, to be changed or closed."""
    made = toys.build("toy:random")
    model = wrap_network(made.network, made.tokenizer, made.title)
    yield model
    model.close()


@pytest.fixture
def unchecked():
    """Calls as outside the tests: annotations are not checked, so wrong values reach the code."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(autouse=True)
def no_hook_comes_or_goes():
    """Hooks are put on a model when it is made and stay, whatever a test did to it."""
    yield
    assert all(sum(map(len, hooked)) == made_with for hooked, made_with in SHARED)


@pytest.fixture(scope="session")
def rng():
    """`rng(seed)`: a numpy generator of the test's own."""
    return np.random.default_rng
