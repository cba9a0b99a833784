"""Text to tokens and back, for the kinds of tokenizers that language models have."""

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import decoders, models, normalizers, processors
from transformers import PreTrainedTokenizerFast

from analysis.errors import AnalysisError
from analysis.models import toy as toys
from analysis.models.tokenizer import Tokenizer

NAMES_BOS = "{{ bos_token }}{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}<assistant>"
LEAVES_BOS = NAMES_BOS.replace("{{ bos_token }}", "")
BOS = 256

prompts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


def with_bos(template: str | None = None) -> Tokenizer:
    """The toy's tokenizer, with a post-processor that puts BOS first."""
    backend = tokenizers.Tokenizer.from_str(toys.build("toy:random").tokenizer.backend_tokenizer.to_str())
    backend.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", BOS)])
    made = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<bos>", eos_token="<eos>")
    made.chat_template = template
    return Tokenizer(made, 283)


def sentencepiece_like(*, prefix: bool) -> Tokenizer:
    """Words marked by `▁`, characters outside the vocabulary written as bytes: as Llama 2 and Gemma have it."""
    words = ["▁", "▁the", "▁sea", "the", "sea", "s", "e", "a", "t", "h", "é", ".", "▁▁"]
    pieces = ["<unk>", "<s>", *(f"<0x{byte:02X}>" for byte in range(256)), *words]
    backend = tokenizers.Tokenizer(
        models.Unigram(
            [(piece, -float(10 if len(piece) == 6 else 1)) for piece in pieces], 0, byte_fallback=True
        )
    )
    steps = [normalizers.Prepend("▁")] if prefix else []
    backend.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return Tokenizer(
        PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", unk_token="<unk>"), 280
    )


# worked values


def test_the_toy_writes_words_it_knows_as_one_token_and_the_rest_byte_by_byte(toy):
    tokens = toy.tokenize("the é")
    assert tokens.pieces == (b"th", b"e", b" ", b"\xc3", b"\xa9")
    assert tokens.labels == ("th", "e", "·", "⟨C3⟩", "⟨A9⟩")
    assert (tokens.note, tokens.prompt_length, any(tokens.special)) == ("", 5, False)


def test_bytes_of_a_character_outside_a_sentencepiece_vocabulary_are_bytes():
    tokens = sentencepiece_like(prefix=True).encode("the sea é🜂")
    assert tokens.pieces[:4] == (b"<s>", b" the", b" sea", b" ")
    assert tokens.pieces[4] == "é".encode()
    assert tokens.pieces[5:] == (b"\xf0", b"\x9f", b"\x9c", b"\x82")
    assert tokens.special == (True, *(False,) * 8)
    assert tokens.note == "The tokenizer puts a space before the text."


def test_a_sentencepiece_vocabulary_without_a_prefix_keeps_the_text_exactly():
    tokens = sentencepiece_like(prefix=False).encode("the sea")
    assert tokens.pieces == (b"<s>", b"the", b" sea")
    assert tokens.note == ""


def test_a_text_that_the_tokenizer_rewrites_is_noted():
    assert "rewrites this text" in sentencepiece_like(prefix=False).encode("a▁sea").note


def test_special_tokens_written_out_become_those_tokens(toy):
    tokens = toy.tokenize("a<eos>b")
    assert tokens.ids[1] == 257
    assert tokens.special == (False, True, False)
    assert tokens.note == ""


def test_ids_without_a_token_have_a_label(toy):
    assert toy.tokenizer.label(282) == "<unused·282>"
    assert toy.tokenizer.is_special(BOS)
    assert not toy.tokenizer.is_special(0)


# laws


@given(prompts)
def test_the_pieces_of_any_text_join_to_its_bytes(toy, text):
    tokens = toy.tokenize(text)
    assert b"".join(tokens.pieces) == text.encode()
    assert tokens.text == text
    assert tokens.note == ""
    assert len(tokens.ids) == len(tokens.pieces) == len(tokens.special) == len(tokens.labels)


@settings(max_examples=50)
@given(prompts)
def test_the_pieces_of_any_text_join_to_its_bytes_in_a_sentencepiece_vocabulary(text):
    tokenizer = sentencepiece_like(prefix=False)
    tokens = tokenizer.encode(text)
    if "▁" in text:
        assert tokens.note
    elif not any(mark in text for mark in ("<s>", "<unk>")):
        assert b"".join(tokens.pieces[1:]) == text.encode()
        assert tokens.note == ""


def test_no_text_is_changed_by_tokens_that_were_asked_for_before():
    """Pieces are kept after the first look, whatever was looked at."""
    tokenizer = with_bos()
    first = [tokenizer.piece(i) for i in range(283)]
    assert [tokenizer.piece(i) for i in reversed(range(283))] == first[::-1]
    assert len({tokenizer.piece(i) for i in range(275)}) == 275


# BOS and chat templates


def test_bos_is_known_where_the_tokenizer_adds_it(toy):
    assert with_bos().bos == BOS
    assert with_bos().encode("the").pieces == (b"<bos>", b"th", b"e")
    assert with_bos().encode("the").note == ""
    assert toy.tokenizer.bos is None


def test_only_bos_remains_of_an_empty_prompt(toy):
    assert with_bos().encode("").ids == (BOS,)
    with pytest.raises(AnalysisError, match="The prompt is empty"):
        toy.tokenize("")


@pytest.mark.parametrize("template", [NAMES_BOS, LEAVES_BOS])
def test_a_chat_begins_with_one_bos_whoever_writes_it(template):
    tokens = with_bos(template).encode("hi", chat=True)
    assert tokens.ids[0] == BOS
    assert tokens.ids.count(BOS) == 1
    assert b"".join(tokens.pieces[1:]) == b"<user>hi<assistant>"
    assert tokens.note == ""
    assert tokens.prompt_length == len(tokens)


def test_a_chat_of_a_tokenizer_without_bos_gets_none():
    backend = toys.build("toy:random").tokenizer
    backend.chat_template = LEAVES_BOS
    tokens = Tokenizer(backend, 283).encode("hi", chat=True)
    assert BOS not in tokens.ids
    assert tokens.text == "<user>hi<assistant>"


def test_a_prompt_that_already_begins_with_bos_is_shown_as_the_tokenizer_reads_it():
    tokens = with_bos().encode("<bos>hi")
    assert tokens.ids[:2] == (BOS, BOS)  # as typed: one of the tokenizer, one of the person
    assert with_bos(NAMES_BOS).encode("hi", chat=True).ids.count(BOS) == 1


def test_a_model_without_a_chat_template_says_so(toy):
    assert not toy.tokenizer.has_template
    with pytest.raises(AnalysisError, match="no chat template. Switch the chat template off"):
        toy.tokenize("hi", chat=True)


# finding and refusing


def test_a_token_is_found_by_its_exact_text(toy):
    find = toy.tokenizer.find
    assert find("Z") == toy.tokenize("Z").ids[0]
    assert find("th") == toy.tokenize("th").ids[0]
    assert find("<eos>") == 257
    assert find("·") == find(" ") == toy.tokenize(" ").ids[0]


def test_a_word_is_found_with_and_without_its_space():
    find, label = (tokenizer := sentencepiece_like(prefix=True)).find, tokenizer.label
    assert label(find("·sea")) == label(find(" sea")) == "·sea"
    assert tokenizer.piece(find("sea")) in (b" sea", b"sea")


def test_a_text_of_several_tokens_is_not_found_but_shown(toy):
    with pytest.raises(AnalysisError, match="'the' is not one token of this model: it is written th e"):
        toy.tokenizer.find("the")
    with pytest.raises(AnalysisError, match="is written nothing"):
        toy.tokenizer.find("")


@pytest.mark.parametrize("text", ["ab\ud800", "ab\udfff c"])
def test_half_a_surrogate_pair_is_refused_with_its_place(toy, text):
    for use in (toy.tokenize, toy.tokenizer.find):
        with pytest.raises(
            AnalysisError, match=r"Character 3 of the text is half of a surrogate pair \(U\+D"
        ):
            use(text)
