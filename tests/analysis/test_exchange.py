"""Directions, erasures and recipes as files: exact round trips, other tools' files, and files made to do harm."""

import hashlib
import json
import math
import pickle
import struct
import tempfile
from dataclasses import replace

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from analysis import exchange
from analysis.directions import Direction, Probe, Separation
from analysis.erasers import ERASERS
from analysis.erasers.eraser import Eraser
from analysis.erasers.erasure import Erasure
from analysis.errors import AnalysisError
from analysis.exchange import erasure_parts, own_files
from analysis.recipes import OPERATIONS, Dose, Recipe

D_MODEL = 4


def direction(layers=(1, 2, 3), name="sea", seed=0, **changed) -> Direction:
    values = np.random.default_rng(seed).normal(size=(len(layers), D_MODEL)).astype(np.float32)
    fields = {
        "name": name,
        "layers": tuple(layers),
        "values": values,
        "weights": "toy: random weights (1)",
        "how": "By hand.",
        "source": "Nobody 2026",
        "layer": layers[0],
        "why": "Any will do.",
    }
    return Direction(**fields | changed)


def rich() -> Direction:
    separation = (Separation(1, 0.75, 0.1, 0.5, 1 / 3), Separation(2, 1.0, 0.0, 0.0, -2e-17))
    probe = Probe(2, np.array([0.1, -0.0, 3e-40, 5], np.float32), -1 / 3, 0.1)
    return direction(name='日本 "\n\\ 🐋 \ud800', separation=separation, probe=probe, layer=2)


def recipe() -> Recipe:
    sea, land = rich(), direction(layers=(0, 5), name="land", seed=1)
    doses = (
        Dose(sea, 0.1, (1, 2)),
        Dose(land, -0.3, (5, 5), "set", "generated"),
        Dose(sea, 0.0, (3, 3), "project", (0, 7, 2), "mlp"),
        Dose(land, 1.0, (0, 0), "reflect", "prompt"),
    )
    return Recipe("coast", doses)


def eraser(rank=1, seed=0, method="leace", iterations=0) -> Eraser:
    """Oblique: what is read off and what is taken away differ."""
    random = np.random.default_rng(seed)
    shapes = (D_MODEL,), (D_MODEL, rank), (rank, D_MODEL)
    mean, left, right = (random.normal(size=shape).astype(np.float32) for shape in shapes)
    return Eraser(method, mean, left, right, iterations)


def erasure(layers=(1, 3), ranks=(1, 2), **changed) -> Erasure:
    erasers = tuple(eraser(rank, seed, "inlp", 7 + seed) for seed, rank in enumerate(ranks))
    fields = {"name": "gender", "weights": "toy: random weights (1)", "how": "By hand.", "positions": (0, 5)}
    return Erasure(**{"layers": tuple(layers), "erasers": erasers} | fields | changed)


def erasing_recipe() -> Recipe:
    more = erasure((2,), (3,), name="land 🐋", positions="generated")
    return replace(recipe(), name="coast without", erasures=(erasure(), more))


def same_erasure(one: Erasure, other: Erasure) -> bool:
    parts = [
        (
            *(getattr(it, field) for field in ("name", "layers", "weights", "how", "positions", "method")),
            [
                (each.iterations, *(getattr(each, array).tobytes() for array in ("mean", "left", "right")))
                for each in it.erasers
            ],
        )
        for it in (one, other)
    ]
    return parts[0] == parts[1]


def same(one: Direction, other: Direction) -> bool:
    parts = [
        (own_files._apart(it)[0], it.values.tobytes(), it.probe and it.probe.weights.tobytes())
        for it in (one, other)
    ]
    return parts[0] == parts[1]


def control_vector(path, vectors, hint="llama", arch="controlvector", count="uint32") -> bytes:
    """The calls that repeng's `export_gguf` makes; llama.cpp's cvector-generator counts in int32."""
    writer = gguf.GGUFWriter(path, arch)
    writer.add_string(f"{arch}.model_hint", hint)
    getattr(writer, f"add_{count}")(f"{arch}.layer_count", len(vectors))
    for name, vector in vectors.items():
        writer.add_tensor(name, vector)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.read_bytes()


def with_header(header: bytes, rest: bytes = b"") -> bytes:
    return len(header).to_bytes(8, "little") + header + rest


def ones(size=D_MODEL, dtype=np.float32):
    return np.ones(size, dtype=dtype)


def told(call, *arguments) -> str:
    with pytest.raises(AnalysisError) as caught:
        call(*arguments)
    return str(caught.value)


# ---- round trips


@pytest.mark.parametrize("given_direction", [direction(), rich(), direction(layers=(0,)), direction((4, 9))])
def test_a_direction_comes_back_exactly(given_direction):
    back = exchange.from_safetensors(exchange.to_safetensors(given_direction))
    assert same(back, given_direction)
    assert back.separation == given_direction.separation
    assert back.layers == given_direction.layers
    assert type(back.layer) is int


def test_values_of_every_size_come_back_bit_for_bit():
    values = np.array([[1e-18, -0.0, 3e-45, 1e18]], np.float32)
    back = exchange.from_safetensors(exchange.to_safetensors(direction((7,), values=values)))
    assert back.values.tobytes() == values.tobytes()


@settings(max_examples=50)
@given(
    st.text(max_size=40),
    st.text(max_size=40),
    st.floats(-1e9, 1e9),
    st.lists(st.integers(0, 999), min_size=1, max_size=6, unique=True),
)
def test_any_text_number_and_layers_come_back(name, how, gap, layers):
    layers = tuple(sorted(layers))
    made = direction(layers, name=name, how=how, separation=(Separation(layers[0], 0.5, 0.1, 0.5, gap),))
    assert same(exchange.from_safetensors(exchange.to_safetensors(made)), made)


def test_numpy_numbers_are_written_as_numbers(unchecked):
    made = direction(
        (np.int64(1), np.int64(2)),
        layer=np.int64(2),
        separation=(
            Separation(np.int64(1), np.float32(0.5), np.float64(0.1), np.float32(0.5), np.float32(2)),
        ),
    )
    back = exchange.from_safetensors(exchange.to_safetensors(made))
    assert (back.layers, back.layer, back.separation[0].gap) == ((1, 2), 2, 2.0)


def test_a_recipe_comes_back_exactly_and_shares_its_directions():
    back = exchange.recipe_from_bytes(exchange.recipe_to_bytes(recipe()))
    assert back.name == "coast"
    for one, other in zip(back.doses, recipe().doses, strict=True):
        assert same(one.direction, other.direction)
        for field in ("strength", "layers", "operation", "positions"):
            assert getattr(one, field) == getattr(other, field)
            assert type(getattr(one, field)) is type(getattr(other, field))
    assert back.doses[0].direction is back.doses[2].direction


def test_an_empty_recipe_comes_back():
    assert exchange.recipe_from_bytes(exchange.recipe_to_bytes(Recipe("none", ()))).doses == ()


@pytest.mark.parametrize(
    "given_erasure",
    [
        erasure(),
        erasure((0,), (4,), positions="all"),
        erasure((0, 7, 9), (2, 0, 1), positions="prompt", name='日本 "\n\\ 🐋 \ud800'),
        erasure((3, 4), (0, 0)),
        erasure((2,), erasers=(eraser(method="random"),), weights="", positions="after_first"),
    ],
    ids=["two layers", "all of a state", "nothing at one layer", "nothing at all", "weights unknown"],
)
def test_an_erasure_comes_back_exactly(given_erasure):
    back = exchange.erasure_from_bytes(exchange.erasure_to_bytes(given_erasure))
    assert same_erasure(back, given_erasure)
    assert [each.left.shape for each in back.erasers] == [each.left.shape for each in given_erasure.erasers]
    assert type(back.layers[0]) is type(back.erasers[0].iterations) is int
    assert type(back.positions) is type(given_erasure.positions)


def test_the_numbers_of_an_eraser_come_back_bit_for_bit_at_every_size():
    odd = np.array([1e-18, -0.0, 3e-45, 1e30], np.float32)
    given = Eraser("means", odd, odd[:, None] * np.float32(2), -odd[None], 3)
    back = exchange.erasure_from_bytes(exchange.erasure_to_bytes(erasure((4,), erasers=(given,))))
    assert same_erasure(back, erasure((4,), erasers=(given,)))


def test_an_erased_state_is_the_same_bit_for_bit(rng):
    states = rng(0).normal(size=(9, D_MODEL)).astype(np.float32)
    back = exchange.erasure_from_bytes(exchange.erasure_to_bytes(erasure()))
    for one, other in zip(back.erasers, erasure().erasers, strict=True):
        assert one.apply(states).tobytes() == other.apply(states).tobytes()


def test_every_method_of_erasing_can_be_kept():
    for method in ERASERS:
        given = erasure((1,), erasers=(eraser(method=method),))
        assert exchange.erasure_from_bytes(exchange.erasure_to_bytes(given)).method == method


def test_a_recipe_comes_back_with_its_erasures():
    given = erasing_recipe()
    back = exchange.recipe_from_bytes(exchange.recipe_to_bytes(given))
    assert back.name == given.name
    assert all(
        same(one.direction, other.direction) for one, other in zip(back.doses, given.doses, strict=True)
    )
    assert all(same_erasure(*pair) for pair in zip(back.erasures, given.erasures, strict=True))
    alone = replace(given, doses=())
    back = exchange.recipe_from_bytes(exchange.recipe_to_bytes(alone))
    assert (len(back.erasures), back.doses) == (2, ())


def by_hand() -> tuple[Direction, Recipe]:
    """As their files were before recipes could erase."""
    values = np.arange(1, 13, dtype=np.float32).reshape(3, 4)
    separation, probe = (Separation(1, 0.75, 0.5, 0.5, 2.0),), Probe(2, values[0], 0.25, 0.5)
    sea = Direction(
        "sea", (1, 2, 3), values, "toy (1)", "By hand.", "Nobody 2026", 2, "Any.", separation, probe
    )
    doses = (Dose(sea, 0.25, (1, 2)), Dose(sea, 0.0, (3, 3), "project", (0, 2), "mlp"))
    return sea, Recipe("coast", doses)


def test_files_and_keys_of_what_does_not_erase_are_what_they_were():
    """A link holds the key, and older programs read the file."""
    sea, coast = by_hand()
    assert exchange.content_key(sea) == "2d6af755d7455307"
    assert exchange.content_key(coast) == "a3279d9378e04794"
    written = exchange.to_safetensors(sea), exchange.recipe_to_bytes(coast)
    assert [hashlib.sha256(data).hexdigest()[:16] for data in written] == [
        "c01c44464c7c398e",
        "166c154b9d057882",
    ]


def test_what_erases_asks_an_older_program_for_a_newer_one():
    """By its form's number, which they compare first."""
    header, coast = (json.loads(own_files.parts(it)[1]["bathyscope"]) for it in (erasing_recipe(), recipe()))
    assert (header["version"], coast["version"]) == (2, 1)
    assert json.loads(own_files.parts(erasure())[1]["bathyscope"])["format"] == "erasure"


def test_the_same_thing_is_the_same_file():
    assert exchange.erasure_to_bytes(erasure()) == exchange.erasure_to_bytes(erasure())
    assert exchange.recipe_to_bytes(erasing_recipe()) == exchange.recipe_to_bytes(erasing_recipe())
    assert exchange.to_safetensors(rich()) == exchange.to_safetensors(rich())
    assert exchange.recipe_to_bytes(recipe()) == exchange.recipe_to_bytes(recipe())


def test_a_key_is_of_the_content_and_not_of_the_name():
    key = exchange.content_key(rich())
    assert len(key) == 16
    assert key == exchange.content_key(exchange.from_safetensors(exchange.to_safetensors(rich())))
    assert key == exchange.content_key(replace(rich(), name="other"))
    assert key != exchange.content_key(replace(rich(), why="other"))
    assert key != exchange.content_key(replace(rich(), values=-rich().values))
    one = recipe()
    assert exchange.content_key(one) == exchange.content_key(Recipe("other", one.doses))
    assert exchange.content_key(one) != exchange.content_key(Recipe("coast", one.doses[::-1]))
    assert exchange.content_key(one) != exchange.content_key(Recipe("coast", one.doses[:1]))


def test_the_key_of_what_erases_is_of_its_content():
    key = exchange.content_key(erasure())
    assert key == exchange.content_key(replace(erasure(), name="other"))
    given = [
        erasure(),
        replace(erasure(), how="other"),
        replace(erasure(), positions="all"),
        replace(erasure(), layers=(1, 4)),
        replace(erasure(), erasers=erasure().erasers[::-1]),
        erasing_recipe(),
        replace(erasing_recipe(), erasures=erasing_recipe().erasures[::-1]),
        replace(erasing_recipe(), erasures=erasing_recipe().erasures[:1]),
        recipe(),
    ]
    assert len({exchange.content_key(each) for each in given}) == len(given)


def test_a_file_is_opened_as_what_it_holds():
    assert "Open it as an erasure." in told(exchange.from_safetensors, exchange.erasure_to_bytes(erasure()))
    assert "it holds an erasure and no recipe" in told(
        exchange.recipe_from_bytes, exchange.erasure_to_bytes(erasure())
    )
    assert "it holds a recipe and no erasure" in told(
        exchange.erasure_from_bytes, exchange.recipe_to_bytes(erasing_recipe())
    )
    assert "it holds vectors and no erasure" in told(exchange.erasure_from_bytes, save({"1": ones()}))
    either = exchange.recipe_or_erasure_from_bytes
    assert same_erasure(either(exchange.erasure_to_bytes(erasure())), erasure())
    assert len(either(exchange.recipe_to_bytes(erasing_recipe())).erasures) == 2
    assert "it holds a direction and no recipe or erasure" in told(either, exchange.to_safetensors(rich()))
    assert "vectors and no recipe or erasure" in told(either, save({"1": ones()}))


def test_a_direction_is_no_recipe_and_the_other_way_round():
    assert "Open it as a recipe." in told(exchange.from_safetensors, exchange.recipe_to_bytes(recipe()))
    assert "Open it as a direction." in told(exchange.recipe_from_bytes, exchange.to_safetensors(rich()))
    assert "Open it as a direction." in told(exchange.recipe_from_bytes, save({"1": ones()}))


def test_nothing_is_written_that_could_not_be_read_again():
    long = direction(name="x" * (exchange.MOST_TEXT + 1))
    assert "cannot be written: its name is 'xxx" in told(exchange.to_safetensors, long)
    nan = replace(rich(), separation=(Separation(1, 0.5, 0.1, 0.5, math.nan),))
    assert "gap is nan" in told(exchange.to_safetensors, nan)
    wide = direction((1,), values=np.ones((1, 16_000_000), np.float32))
    assert "64.0 MB" in told(exchange.to_safetensors, wide)
    dose = Dose(direction(), 0.1, (1, 1))
    assert "201 entries" in told(exchange.recipe_to_bytes, Recipe("many", (dose,) * 201))
    assert "its how is 'xxx" in told(exchange.erasure_to_bytes, erasure(how="x" * 10_001))
    wide_erasure = erasure(
        (1,),
        erasers=(
            Eraser("means", *(np.ones(it, np.float32) for it in (6_000_000, (6_000_000, 1), (1, 6_000_000)))),
        ),
    )
    assert "64.0 MB" in told(exchange.erasure_to_bytes, wide_erasure)
    assert "201 entries" in told(
        exchange.recipe_to_bytes, Recipe("many", erasures=(erasure((1,), (1,)),) * 201)
    )
    chatty = [
        Dose(direction(name=f"{n}", why="\ud800" * 10_000, how="\ud800" * 10_000), 0, (1, 1))
        for n in range(40)
    ]
    assert "of text" in told(exchange.recipe_to_bytes, Recipe("chatty", tuple(chatty)))


# ---- safetensors of other tools


def test_one_vector_needs_its_layer():
    data = save({"vector": ones()})
    assert "Give the layer it belongs to" in told(exchange.from_safetensors, data, "found")
    made = exchange.from_safetensors(data, "found", layer=3)
    assert (made.name, made.layers, made.layer, made.weights, made.probe) == ("found", (3,), 3, "", None)
    assert made.how == "Imported from 'found', which does not say how it was made."
    assert "-1" in told(exchange.from_safetensors, data, "found", -1)


@pytest.mark.parametrize("pattern", ["direction.{}", "layer.{}", "layers.{}", "{}"])
def test_vectors_named_by_layer_are_read(pattern):
    data = save({pattern.format(n): ones() * (n + 1) for n in (10, 2, 0, 3)})
    made = exchange.from_safetensors(data, "found")
    assert made.layers == (0, 2, 3, 10)
    assert made.layer == 3
    np.testing.assert_array_equal(made.values[:, 0], [1, 3, 4, 11])
    assert "taken as layers" in made.how


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_of_every_width_are_read(dtype):
    made = exchange.from_safetensors(save({"1": np.array([0.5, -2], dtype)}))
    np.testing.assert_array_equal(made.values, [[0.5, -2]])


def test_bfloat16_is_read():
    raw = (np.array([1.5, -3], np.float32).view(np.uint32) >> 16).astype(np.uint16).tobytes()
    data = with_header(b'{"4":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}', raw)
    np.testing.assert_array_equal(exchange.from_safetensors(data).values, [[1.5, -3]])


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({}, "it holds 0 tensors (none)"),
        ({"a": ones(), "b": ones()}, "it holds 2 tensors ('a', 'b'); expected one vector"),
        ({"1": ones(), "bias": ones()}, "expected one vector"),
        ({"1": ones(), "2": ones(5)}, "shapes [4], [5]"),
        ({"1": ones(), "layer.1": ones()}, "2 tensors are for 1 layers"),
        ({"1": ones((2, 2))}, "shapes [2, 2]"),
        ({"a": ones((2, 2))}, "shapes [2, 2]"),
        ({"1": ones((1, 1, 4))}, "shape [1, 1, 4]"),
        ({"1": np.float32(1)}, "shape []"),
        ({"1": ones(dtype=np.int32)}, "type I32"),
        ({"1": ones(0)}, "shape [0]"),
        ({"1": ones() * 0}, "no usable length (0)"),
        ({"1": ones() * np.nan}, "no usable length (nan)"),
        ({"1": ones() * np.inf}, "no usable length (inf)"),
        ({"1": ones() * np.float32(3e38)}, "no usable length (inf)"),
        ({"1": np.full(4, 1e300)}, "no usable length (inf)"),
        ({"1": ones() * np.float32(1e-40)}, "no usable length (0)"),
        ({"10000": ones(), "1": ones()}, "expected one vector"),
        ({"1001": ones(), "1": ones()}, "a layer is 1001; expected a whole number from 0 to 1,000"),
        ({"١": ones(), "1": ones()}, "expected one vector"),
        ({str(n): ones(1) for n in range(1001)}, "it holds 1,001 tensors, as a model does"),
    ],
)
def test_what_holds_no_direction_says_why(tensors, words):
    tensors = {name: np.asarray(array) for name, array in tensors.items()}
    text = told(exchange.from_safetensors, save(tensors), "found")
    assert text.startswith("The file 'found' cannot be read: ")
    assert words in text


def test_the_name_of_a_file_is_made_fit_for_a_direction():
    assert exchange.from_safetensors(save({"1": ones()}), "a\n\x1b" + "b" * 200).name == "a  " + "b" * 77
    assert exchange.from_safetensors(save({"1": ones()}), "\x00").name == "imported"


# ---- GGUF


def test_repengs_files_are_read_one_layer_up(tmp_path):
    data = control_vector(
        tmp_path / "v.gguf", {f"direction.{n}": ones() * (n + 1) for n in (3, 2, 1, 0)}, "mistral"
    )
    made = exchange.from_gguf(data, "happy")
    assert made.layers == (1, 2, 3, 4)
    np.testing.assert_array_equal(made.values[:, 0], [1, 2, 3, 4])
    assert (made.name, made.weights, made.layer) == ("happy", "", 3)
    assert made.how == (
        "Imported from 'happy', a control vector for a model of the kind 'mistral', which does not say how it "
        "was made."
    )


def test_where_cvector_generator_found_its_vectors_is_said(tmp_path):
    data = control_vector(tmp_path / "v.gguf", {"direction.1": ones()}, count="int32")
    made = exchange.from_gguf(data)
    assert made.layers == (2,)
    assert "one layer below" in made.how


def test_the_residual_stream_after_n_blocks_is_the_output_of_block_n_minus_1(tmp_path):
    """A layer here, its block there: what a vector is added to is the same place."""
    (tmp_path / "v.gguf").write_bytes(exchange.to_gguf(direction((2, 3, 9)), "llama"))
    reader = gguf.GGUFReader(tmp_path / "v.gguf")
    assert [tensor.name for tensor in reader.tensors] == ["direction.1", "direction.2", "direction.8"]


def test_our_file_is_what_repeng_imports(tmp_path):
    made = direction((2, 4))
    (tmp_path / "v.gguf").write_bytes(exchange.to_gguf(made, " llama "))
    reader = gguf.GGUFReader(tmp_path / "v.gguf")
    architecture = reader.get_field("general.architecture")
    assert bytes(architecture.parts[-1]) == b"controlvector"
    hint = reader.get_field("controlvector.model_hint")
    assert bytes(hint.parts[-1]) == b"llama"
    count = reader.get_field("controlvector.layer_count")
    assert (count.types, int(count.parts[-1][0])) == ([gguf.GGUFValueType.UINT32], 2)
    for tensor, layer in zip(reader.tensors, (2, 4), strict=True):
        assert int(tensor.name.split(".")[1]) == layer - 1
        assert tensor.tensor_type == gguf.GGMLQuantizationType.F32
        assert tensor.data.tobytes() == made.at(layer).tobytes()


def test_our_file_is_the_one_repeng_would_write(tmp_path):
    made = direction((2, 4))
    there = control_vector(tmp_path / "v.gguf", {"direction.1": made.at(2), "direction.3": made.at(4)})
    assert exchange.to_gguf(made, "llama") == there


def test_vectors_keep_their_lengths_through_gguf():
    made = direction((2, 3), values=np.array([[3, 4, 0, 0], [0, 0, 0, 1e-9]], np.float32))
    assert exchange.from_gguf(exchange.to_gguf(made, "llama")).values.tobytes() == made.values.tobytes()


def test_what_gguf_cannot_hold_is_said():
    assert exchange.gguf_losses(direction((2, 3))) == ""
    assert exchange.gguf_losses(direction((1, 2))).startswith("Layer 1 will be left out: llama.cpp")
    assert exchange.gguf_losses(direction((0, 1, 2))).startswith("Layers 0 and 1 will be left out: ")
    assert exchange.from_gguf(exchange.to_gguf(direction((0, 1, 2, 3)), "x")).layers == (2, 3)
    assert "export this one as safetensors" in told(exchange.to_gguf, direction((0, 1)), "llama")
    for hint in ("", "  ", "a\nb", "\ud800", "x" * 201):
        assert "a word for the kind of model" in told(exchange.to_gguf, direction(), hint)


def test_temporary_files_go_away(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    exchange.from_gguf(exchange.to_gguf(direction(), "llama"))
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    assert "temporary files cannot be written" in told(exchange.to_gguf, direction(), "llama")


@pytest.mark.parametrize(
    ("vectors", "changed", "words"),
    [
        ({}, {}, "0 vectors"),
        ({"other.1": ones()}, {}, "0 vectors"),
        ({"direction.x": ones()}, {}, "'direction.x'"),
        ({"direction.1": ones((2, 2))}, {}, "shape [2, 2]"),
        ({"direction.1": ones(dtype=np.float16)}, {}, "is of type 1"),
        ({"direction.1": ones(), "direction.2": ones(5)}, {}, "shapes [4], [5]"),
        ({"direction.1": ones(), "direction.01": ones()}, {}, "for 1 layers"),
        ({"direction.1": ones() * 0}, {}, "no usable length (0)"),
        ({"direction.1": ones() * np.nan}, {}, "no usable length (nan)"),
        ({"direction.1": ones()}, {"arch": "llama"}, "it holds a 'llama' and not a controlvector"),
        ({"direction.1": ones()}, {"hint": "x" * 10_001}, "has 10,001 bytes"),
    ],
)
def test_a_gguf_without_a_direction_says_why(tmp_path, vectors, changed, words):
    data = control_vector(tmp_path / "v.gguf", vectors, **changed)
    assert words in told(exchange.from_gguf, data, "found")


def test_other_entries_and_tensors_are_passed_over(tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "v.gguf", "controlvector")
    writer.add_array("general.tags", ["a", "b"])
    writer.add_array("some.numbers", [1, 2, 3])
    writer.add_float32("some.factor", 0.5)
    writer.add_bool("some.flag", True)
    writer.add_tensor("other", ones((3, 2)))
    writer.add_tensor("direction.5", ones())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert exchange.from_gguf((tmp_path / "v.gguf").read_bytes()).layers == (6,)


def gguf_file(*entries: bytes, tensors=(), tail=b"", version=3) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(entries))
    return head + b"".join(entries) + b"".join(tensors) + tail


def gguf_text(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


ARCHITECTURE = gguf_text("general.architecture") + struct.pack("<I", 8) + gguf_text("controlvector")


def a_tensor(name="direction.1", length=4, offset=0, axes=1) -> bytes:
    return gguf_text(name) + struct.pack("<IQIQ", axes, length, 0, offset)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (gguf_file(version=9), "of version 9"),
        (b"GGUF" + struct.pack(">IQQ", 3, 1, 1), "of version 50331648"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**63, 1), "9,223,372,036,854,775,808 tensors"),
        (gguf_file(struct.pack("<Q", 2**62)), "4,611,686,018,427,387,904 bytes"),
        (gguf_file(gguf_text("k") + struct.pack("<I", 77)), "unknown type 77"),
        (gguf_file(gguf_text("k") + struct.pack("<IIQ", 9, 4, 2**62)), "cut short"),
        (gguf_file(gguf_text("k") + struct.pack("<IIQ", 9, 8, 2**40), tail=bytes(10**6)), "a list of"),
        (gguf_file(gguf_text("k") + struct.pack("<IIQ", 9, 9, 1)), "a list of 1 values of type 9"),
        (gguf_file(), "it holds a 'none'"),
        (gguf_file(ARCHITECTURE, tensors=[a_tensor(length=2**61)]), "cut short"),
        (gguf_file(ARCHITECTURE, tensors=[a_tensor(offset=2**63)], tail=bytes(99)), "cut short"),
        (gguf_file(ARCHITECTURE, tensors=[a_tensor(axes=2**32 - 1)], tail=bytes(99)), "and shape"),
        (
            gguf_file(
                ARCHITECTURE,
                tensors=[a_tensor(f"direction.{n}", 1000) for n in range(900)],
                tail=bytes(10**5),
            ),
            "cut short",
        ),
        (
            gguf_file(
                ARCHITECTURE,
                gguf_text("general.alignment") + struct.pack("<II", 4, 0),
                tensors=[a_tensor()],
                tail=bytes(99),
            ),
            "its alignment is 0",
        ),
    ],
)
def test_a_lying_gguf_ends_in_a_sentence(data, words):
    """Whoever believed these counts would read for ever or fill the memory."""
    assert words in told(exchange.from_gguf, data, "bad")


# ---- any file


def test_a_file_is_told_by_its_beginning_and_its_name():
    as_gguf, as_tensors = exchange.to_gguf(direction(), "llama"), exchange.to_safetensors(direction())
    for filename in ("sea.gguf", "sea.safetensors", "sea", "sea.GGUF"):
        assert exchange.read(as_gguf, filename).layers == (2, 3)
    for filename in ("x.safetensors", "x", "x.y.SAFETENSORS"):
        assert same(exchange.read(as_tensors, filename), direction())
    assert exchange.read(save({"v": ones()}), "sea.safetensors", 5).layers == (5,)
    assert exchange.read(save({"v": ones()}), "deep/sea.safetensors", 5).name == "sea"
    assert "four letters GGUF" in told(exchange.read, as_tensors, "x.gguf")
    assert "neither a safetensors nor a GGUF" in told(exchange.read, b"hello", "x.txt")


@pytest.mark.parametrize("suffix", ["pt", "pth", "bin", "pkl", "npy", "npz", "PT"])
def test_pickles_and_bare_arrays_are_refused_by_name(suffix):
    assert "Save the vectors as .safetensors or .gguf" in told(
        exchange.read, exchange.to_safetensors(direction()), f"x.{suffix}"
    )


@pytest.mark.parametrize("data", [pickle.dumps([1]), b"PK\3\4rest", b"\x93NUMPY\1\0", b"\x80\2}q\0."])
def test_pickles_and_bare_arrays_are_refused_under_any_name(data):
    for filename in ("x.safetensors", "x.gguf", "x"):
        assert "could run code" in told(exchange.read, data, filename)


def test_a_length_that_looks_like_a_pickle_does_no_harm():
    for size in range(1, 60):
        data = exchange.to_safetensors(direction(why="x" * 8 * size))
        if data[0] == 0x80:
            break
    assert data[0] == 0x80
    assert exchange.read(data, "x").layers == (1, 2, 3)


@pytest.mark.parametrize(
    "reader",
    [exchange.from_safetensors, exchange.from_gguf, exchange.recipe_from_bytes, exchange.erasure_from_bytes],
)
def test_empty_and_huge_files_are_refused_with_numbers(reader):
    assert "it is empty" in told(reader, b"")
    assert "it has 65.0 MB; directions are read from up to 64.0 MB" in told(reader, bytes(65_000_000))


def test_what_is_read_does_not_write_into_what_was_given():
    for data in (
        exchange.to_safetensors(rich()),
        exchange.to_gguf(direction(), "llama"),
        save({"1": ones()}),
    ):
        kept = bytes(bytearray(data))
        made = exchange.read(data, "x")
        assert not np.shares_memory(made.values, np.frombuffer(data, np.uint8))
        assert data == kept
    made = rich()
    before = made.values.tobytes()
    exchange.to_safetensors(made)
    assert made.values.tobytes() == before


def answered(reader, data) -> bool:
    """True for a value, False for a sentence; anything else fails the test."""
    try:
        reader(data)
        return True
    except AnalysisError:
        return False


FILES = {
    "direction": (exchange.from_safetensors, exchange.to_safetensors(rich())),
    "recipe": (exchange.recipe_from_bytes, exchange.recipe_to_bytes(recipe())),
    "erasure": (exchange.erasure_from_bytes, exchange.erasure_to_bytes(erasure())),
    "erasing recipe": (exchange.recipe_from_bytes, exchange.recipe_to_bytes(erasing_recipe())),
    "foreign": (exchange.from_safetensors, save({"1": ones(), "2": ones()})),
    "gguf": (exchange.from_gguf, exchange.to_gguf(direction(), "llama")),
}


@pytest.mark.parametrize("kind", FILES)
def test_no_truncated_file_is_read(kind):
    reader, whole = FILES[kind]
    assert answered(reader, whole)
    step = 1 if len(whole) < 2000 else 7
    assert not any(answered(reader, whole[:keep]) for keep in range(0, whole.rindex(whole[-17:]), step))


@pytest.mark.parametrize("kind", ["direction", "recipe", "erasure", "erasing recipe"])
def test_no_flipped_bit_in_our_own_values_goes_unnoticed(kind):
    reader, whole = FILES[kind]
    begin = 8 + int.from_bytes(whole[:8], "little")
    for place in range(begin, len(whole)):
        assert not answered(reader, whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])


@pytest.mark.parametrize("kind", FILES)
@settings(max_examples=400)
@given(data=st.data())
def test_any_damage_is_a_sentence_or_a_direction(kind, data):
    reader, whole = FILES[kind]
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 6))):
        changed[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    answered(reader, bytes(changed))
    answered(lambda it: exchange.read(it, "x.y"), bytes(changed))


@settings(max_examples=200)
@given(st.binary(max_size=200), st.sampled_from(["x.gguf", "x.safetensors", "x", ""]))
def test_any_bytes_are_a_sentence(data, filename):
    assert not answered(lambda it: exchange.read(it, filename), data)
    assert not answered(lambda it: exchange.read(it, filename), b"GGUF\3\0\0\0" + data)
    for reader in (exchange.recipe_from_bytes, exchange.erasure_from_bytes):
        assert not answered(reader, len(data).to_bytes(8, "little") + data)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"__metadata__":null}',
        b'{"__metadata__":[]}',
        b'{"__metadata__":{"bathyscope":1}}',
        b'{"1":{"dtype":"F32","shape":[4],"data_offsets":[0,18446744073709551615]}}',
        b'{"1":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,16]}}',
        b'{"1":{"dtype":"F32","shape":[0,4611686018427387904],"data_offsets":[0,0]}}',
        b'{"1":{"dtype":"F32","shape":[4],"data_offsets":[0,16],"x":' + b"9" * 5000 + b"}}",
        b'{"1":{"dtype":"F32","shape":[4],"data_offsets":[0,16],"x":' + b"[" * 5000 + b"]" * 5000 + b"}}",
        b"\xff\xfe{}",
        b'{"a\\u0000":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}',
    ],
)
def test_with_headers_are_a_sentence(header):
    for rest in (b"", bytes(16)):
        for reader in (exchange.from_safetensors, exchange.recipe_from_bytes, exchange.erasure_from_bytes):
            assert not answered(reader, with_header(header, rest))


def test_a_header_too_long_to_parse_is_not_parsed():
    entry = b',"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    header = b"{" + b"".join(entry % n for n in range(80_000))[1:] + b"}"
    assert "at most 4,000,000 are read" in told(exchange.from_safetensors, with_header(header))


# ---- metadata made to do harm: the checksum is right, the values are not


def forged(kind, change) -> bytes:
    """A file whose content was changed by `change(content, arrays)` and signed again."""
    apart = {
        "direction": lambda: own_files._apart(rich()),
        "recipe": lambda: own_files._recipe_apart(recipe()),
        "erasing recipe": lambda: own_files._recipe_apart(erasing_recipe()),
        "erasure": lambda: erasure_parts.apart(erasure()),
    }[kind]()
    content, arrays = json.loads(json.dumps(apart[0])), dict(apart[1])
    content = change(content, arrays) or content
    return signed(kind.removeprefix("erasing "), content, arrays, version=own_files._version(content))


def signed(kind, content, arrays, **said) -> bytes:
    checksum = own_files._checksum(content, arrays)
    head = {"format": kind, "version": 1, "checksum": checksum, "content": content} | said
    return save(arrays, {"bathyscope": json.dumps(head)})


def setting(*path, to):
    def change(content, arrays):
        for step in path[:-1]:
            content = content[step]
        content[path[-1]] = to

    return change


def test_a_forged_file_is_read_where_nothing_was_changed():
    assert same(exchange.from_safetensors(forged("direction", lambda c, a: None)), rich())
    assert len(exchange.recipe_from_bytes(forged("recipe", lambda c, a: None)).doses) == 4


BAD_VALUES = [
    None,
    True,
    -1,
    1.5,
    "x",
    "",
    [],
    {},
    [[]],
    10**400,
    math.nan,
    math.inf,
    -math.inf,
    [None],
    {"a": 1},
]


@pytest.mark.parametrize("bad", BAD_VALUES, ids=repr)
@pytest.mark.parametrize(
    "path",
    [
        ("name",), ("weights",), ("layers",), ("layers", 1), ("layer",), ("separation",),
        ("separation", 0), ("separation", 0, "layer"), ("separation", 0, "accuracy"), ("separation", 0, "gap"),
        ("probe",), ("probe", "layer"), ("probe", "half_gap"), ("probe", "middle"), ("unknown",),
    ],
)  # fmt: skip
def test_a_direction_of_wrong_values_is_refused(path, bad):
    fits = {
        "name": isinstance(bad, str),
        "weights": isinstance(bad, str),
        "separation": bad == [] and len(path) == 1,
        "probe": bad is None and len(path) == 1,
    }.get(path[0], False)
    number = path[-1] in ("gap", "middle") and bad in (-1, 1.5) and bad is not True
    positive = path[-1] == "half_gap" and bad == 1.5
    assert answered(exchange.from_safetensors, forged("direction", setting(*path, to=bad))) == (
        fits or number or positive
    )


@pytest.mark.parametrize("bad", BAD_VALUES, ids=repr)
@pytest.mark.parametrize(
    "path",
    [
        ("name",), ("directions",), ("directions", 0), ("doses",), ("doses", 0), ("doses", 0, "direction"),
        ("doses", 0, "operation"), ("doses", 0, "strength"), ("doses", 0, "layers"), ("doses", 0, "layers", 0),
        ("doses", 2, "positions"), ("doses", 2, "positions", 1), ("doses", 2, "stream"),
    ],
)  # fmt: skip
def test_a_recipe_of_wrong_values_is_refused(path, bad):
    fits = {
        ("name",): isinstance(bad, str),
        ("doses",): bad == [],
        ("doses", 0, "strength"): bad in (-1, 1.5) and bad is not True,
        ("doses", 2, "positions"): bad == [],
    }.get(path, False)
    assert answered(exchange.recipe_from_bytes, forged("recipe", setting(*path, to=bad))) == fits


@pytest.mark.parametrize("bad", BAD_VALUES, ids=repr)
@pytest.mark.parametrize(
    "path",
    [
        ("name",), ("weights",), ("how",), ("method",), ("layers",), ("layers", 0), ("ranks",), ("ranks", 1),
        ("iterations",), ("iterations", 1), ("positions",), ("positions", 0), ("unknown",),
    ],
)  # fmt: skip
@pytest.mark.parametrize("within", [(), ("erasures", 0)], ids=["alone", "in a recipe"])
def test_an_erasure_of_wrong_values_is_refused(within, path, bad):
    kind = "erasing recipe" if within else "erasure"
    fits = {
        ("name",): isinstance(bad, str),
        ("weights",): isinstance(bad, str),
        ("how",): isinstance(bad, str),
        ("positions",): bad == [],
    }.get(path, False)
    assert answered(FILES[kind][0], forged(kind, setting(*within, *path, to=bad))) == fits


@pytest.mark.parametrize("bad", [*BAD_VALUES, [{}], "all"], ids=repr)
@pytest.mark.parametrize("path", [("erasures",), ("erasures", 1)])
def test_a_recipe_of_wrong_erasures_is_refused(path, bad):
    fits = path == ("erasures",) and bad == []
    assert answered(exchange.recipe_from_bytes, forged("erasing recipe", setting(*path, to=bad))) == fits


def times(name, factor):
    def change(content, arrays):
        arrays[name] = arrays[name] * np.float32(factor)

    return change


def doubled(name):
    def change(content, arrays):
        arrays[name] = np.concatenate([arrays[name], arrays[name]])

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (setting("method", to="magic"), "its method is 'magic'; expected one of leace, means"),
        (setting("layers", to=[3, 1]), "layers ascend"),
        (setting("layers", to=[1, 1]), "layers ascend"),
        (setting("layers", to=[1]), "has 1 layers, 2 ranks, 2 iterations and 2 means"),
        (setting("layers", to=[1, 1001]), "from 0 to 1,000"),
        (setting("ranks", to=[1]), "2 layers, 1 ranks"),
        (setting("ranks", to=[1, 1]), "its tensor 'left' is [3, 4]; expected [2, 4]"),
        (setting("ranks", to=[1, 3]), "its tensor 'left' is [3, 4]; expected [4, 4]"),
        (setting("ranks", to=[0, 0]), "its tensor 'left' is [3, 4]; expected [0, 4]"),
        (setting("ranks", to=[5, 0]), "a ranks is 5; expected a whole number from 0 to 4"),
        (setting("iterations", to=[1]), "1 iterations"),
        (setting("positions", to="keys"), "expected one of all, "),
        (setting("positions", to=list(range(10_001))), "10,001 entries"),
        (setting("how", to="x" * 10_001), "up to 10,000 characters"),
        (lambda c, a: c.pop("how") and None, "expected name, weights, how"),
        (lambda c, a: a.pop("mean") is None or None, "'mean' is missing"),
        (lambda c, a: a.pop("left") is None or None, "'left' is missing"),
        (lambda c, a: a.pop("right") is None or None, "'right' is missing"),
        (lambda c, a: a.update(mean=ones()), "'mean' is [4]; expected 2 axes"),
        (lambda c, a: a.update(mean=ones((2, 3))), "its tensor 'left' is [3, 4]; expected [3, 3]"),
        (lambda c, a: a.update(left=ones((3, 5))), "its tensor 'left' is [3, 5]; expected [3, 4]"),
        (lambda c, a: a.update(right=ones((4, 3))), "its tensor 'right' is [4, 3]; expected [3, 4]"),
        (lambda c, a: a.update(left=ones(12)), "expected 2 axes"),
        (doubled("mean"), "2 iterations and 4 means"),
        (doubled("left"), "is [6, 4]"),
        (times("mean", np.nan), "needs finite numbers"),
        (times("left", np.nan), "needs finite numbers"),
        (times("right", np.inf), "needs finite numbers"),
    ],
)  # fmt: skip
def test_a_hostile_erasure_says_what_is_wrong(change, words):
    assert words in told(exchange.erasure_from_bytes, forged("erasure", change))


def test_an_erasure_of_another_time_says_so():
    content, arrays = erasure_parts.apart(erasure())
    assert "it calls itself 'erasure' of version 2; 1 is known" in told(
        exchange.erasure_from_bytes, signed("erasure", content, arrays, version=2)
    )
    content, arrays = own_files._recipe_apart(erasing_recipe())
    for version in (1, 3):  # 1 is that of recipes which cannot erase
        said = told(exchange.recipe_from_bytes, signed("recipe", content, arrays, version=version))
        assert f"of version {version}; 1 is known, and 2 for recipes with erasures" in said


def test_a_recipe_of_many_erasures_and_directions_is_read_again():
    doses = tuple(Dose(direction((1,), name=str(n), seed=n), 0.1, (1, 1)) for n in range(200))
    erasures = tuple(erasure((1,), (1,), name=str(n)) for n in range(200))
    back = exchange.recipe_from_bytes(exchange.recipe_to_bytes(Recipe("many", doses, erasures)))
    assert [each.name for each in back.erasures] == [str(n) for n in range(200)]


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        ("direction", setting("layer", to=9), "proposed layer 9"),
        ("direction", setting("layers", to=[3, 2, 1]), "layers ascend"),
        ("direction", setting("layers", to=[1]), "one vector per layer"),
        ("direction", setting("name", to="x" * 10_001), "up to 10,000 characters"),
        ("recipe", setting("doses", 0, "stream", to="attn"), "expected one of residual, attention, mlp"),
        ("direction", setting("layers", to=[1, 2, 1001]), "from 0 to 1,000"),
        ("direction", setting("probe", "half_gap", to=0), "a gap above 0"),
        ("direction", lambda c, a: a.update(probe=ones(3)), "its probe has 3 numbers"),
        ("direction", lambda c, a: a.update(probe=ones() * np.nan), "expected 4 finite numbers"),
        ("direction", lambda c, a: a.pop("probe") is None or None, "'probe' is missing"),
        ("direction", lambda c, a: a.pop("values") is None or None, "'values' is missing"),
        ("direction", lambda c, a: a.update(values=ones(12)), "expected 2 axes"),
        ("direction", lambda c, a: a.update(values=ones((3, 0))), "shape [3, 0]"),
        ("direction", lambda c, a: c.pop("why") and None, "expected name, weights, how, source, why"),
        ("recipe", setting("doses", 0, "strength", to=11), "from -10 to 10"),
        ("recipe", setting("doses", 0, "direction", to=2), "from 0 to 1"),
        ("recipe", setting("doses", 0, "layers", to=[2, 1]), "are no range"),
        ("recipe", setting("doses", 0, "layers", to=[1, 2, 3]), "has 3 entries"),
        ("recipe", setting("doses", 0, "layers", to=[1]), "has 1 layers"),
        ("recipe", setting("doses", 1, "layers", to=[0, 5]), "has no vector at layer 1"),
        ("recipe", setting("doses", 0, "operation", to="eval"), "add, project, reflect, set"),
        ("recipe", setting("doses", 2, "positions", to=list(range(10_001))), "10,001 entries"),
        ("recipe", lambda c, a: setting("doses", to=c["doses"] * 51)(c, a), "204 entries"),
    ],
)  # fmt: skip
def test_hostile_contents_say_what_is_wrong(kind, change, words):
    assert words in told(FILES[kind][0], forged(kind, change))


def test_contents_of_another_time_say_so():
    content, arrays = own_files._apart(rich())
    assert "Open it with a newer" in told(
        exchange.from_safetensors, signed("direction", content, arrays, version=2)
    )
    assert "Open it with a newer" in told(exchange.from_safetensors, signed("poem", content, arrays))
    assert "checksum" in told(
        exchange.from_safetensors, signed("direction", content, arrays, checksum="0" * 64)
    )
    assert "its header has" in told(exchange.from_safetensors, signed("direction", content, arrays, more=1))


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "9" * 5000, "null", '"x"', '{"format": {}}'])
def test_metadata_that_is_no_object_is_a_sentence(text):
    data = save({"values": ones((3, 4))}, {"bathyscope": text})
    for reader in (exchange.from_safetensors, exchange.recipe_from_bytes):
        assert "cannot be read" in told(reader, data)


def test_content_nested_too_deep_is_a_sentence():
    for depth in (500, 900, 980, 2000):
        nested = "[" * depth + "]" * depth
        text = f'{{"format": "direction", "version": 1, "checksum": "", "content": {nested}}}'
        assert "cannot be read" in told(
            exchange.from_safetensors, save({"values": ones((3, 4))}, {"bathyscope": text})
        )


def test_every_operation_can_be_kept():
    doses = tuple(Dose(direction(), 0.1, (1, 1), operation) for operation in OPERATIONS)
    back = exchange.recipe_from_bytes(exchange.recipe_to_bytes(Recipe("all", doses)))
    assert [dose.operation for dose in back.doses] == list(OPERATIONS)
