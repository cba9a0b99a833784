"""Text to tokens and back, exactly, for one model."""

import json
import threading
from functools import lru_cache

import numpy as np

from analysis.errors import AnalysisError
from analysis.tokens import Tokens, visible


@lru_cache(maxsize=1)
def _byte_alphabet() -> dict[str, int]:
    """The printable stand-in of each byte in byte-level BPE vocabularies (Radford et al. 2019, GPT-2)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(b): b for b in printable} | {chr(256 + i): b for i, b in enumerate(others)}


class Tokenizer:
    """A transformers tokenizer behind a lock: fast tokenizers race when padding changes."""

    def __init__(self, tokenizer, vocabulary: int):
        self._tokenizer = tokenizer
        self._lock = threading.Lock()
        self.vocabulary = vocabulary
        """Rows of the unembedding; may exceed the tokens that have a name."""
        self._byte_level = _decodes_bytes(tokenizer)
        self._special = frozenset(tokenizer.all_special_ids) | {
            index for index, token in tokenizer.added_tokens_decoder.items() if token.special
        }
        self._added = {index: token.content for index, token in tokenizer.added_tokens_decoder.items()}
        self._pieces: dict[int, bytes] = {}

    @property
    def backend(self):
        """The transformers tokenizer, to make another model of; not to be called beside this one's lock."""
        return self._tokenizer

    @property
    def has_template(self) -> bool:
        """True if the model defines how a conversation is written."""
        return bool(getattr(self._tokenizer, "chat_template", None))

    @property
    def bos(self) -> int | None:
        """Id of the token the tokenizer puts first, None if it puts none."""
        first = self._ids("a", special=True)[:1]
        return first[0] if first and first != self._ids("a", special=False)[:1] else None

    @property
    def named_bos(self) -> str:
        """What the tokenizer calls its beginning-of-text token, whether or not it adds it."""
        return str(self._tokenizer.bos_token or "")

    def encode(self, prompt: str, *, chat: bool = False) -> Tokens:
        """Turn a prompt into tokens, with BOS exactly as the tokenizer defines it.

        Special tokens written out in the prompt become those tokens, as they do in the chat template.

        Args:
            prompt: any text; may be empty only where the tokenizer adds BOS.
            chat: write the prompt as the user's turn of a conversation, the assistant's turn opened.

        Raises:
            AnalysisError: the prompt is empty, is no Unicode text, or the model has no chat template.
        """
        _require_unicode(prompt)
        text = self._templated(prompt) if chat else prompt
        ids = self._ids(text, special=not chat)
        if chat and (bos := self.bos) is not None and ids[:1] != [bos]:
            ids = [bos, *ids]  # a template that leaves BOS to the tokenizer
        if not ids:
            raise AnalysisError("The prompt is empty. Type some text, or pick one of the examples.")
        return self.tokens(tuple(ids), prompt_length=len(ids), written=text)

    def tokens(self, ids: tuple[int, ...], *, prompt_length: int, written: str | None = None) -> Tokens:
        """Describe known ids; `written` is the text they should join back to."""
        pieces = tuple(self.piece(index) for index in ids)
        special = tuple(index in self._special for index in ids)
        note = "" if written is None else self._rewritten(ids, pieces, written)
        return Tokens(ids, pieces, special, prompt_length, note)

    def continued(self, tokens: Tokens, ids: tuple[int, ...]) -> Tokens:
        """A text with generated tokens after it."""
        pieces = tuple(self.piece(index) for index in ids)
        return tokens.extended(ids, pieces, tuple(index in self._special for index in ids))

    def piece(self, index: int | np.integer) -> bytes:
        """The bytes one token stands for."""
        index = int(index)  # numpy's integers come from read-outs
        if index not in self._pieces:
            self._pieces[index] = self._read_piece(index)
        return self._pieces[index]

    def label(self, index: int | np.integer) -> str:
        """One token as shown on screen."""
        return visible(self.piece(index))

    def is_special(self, index: int) -> bool:
        """True for control tokens."""
        return index in self._special

    def find(self, text: str) -> int:
        """The one token that stands for exactly this text; `·` may be written for a space.

        Raises:
            AnalysisError: the text is empty or takes several tokens.
        """
        for candidate in dict.fromkeys((text, text.replace("·", " "))):
            _require_unicode(candidate)
            ids = self._ids(candidate, special=False)
            if len(ids) == 1:
                return ids[0]
            # tokenizers that mark word starts answer " x" for "x": look for the exact piece
            matches = [i for i in ids if self.piece(i) == candidate.encode()]
            if len(matches) == 1:
                return matches[0]
        shown = " ".join(self.label(i) for i in ids[:8]) or "nothing"
        raise AnalysisError(
            f"{text!r} is not one token of this model: it is written {shown}. "
            "Give a single token; a leading space counts."
        )

    def _ids(self, text: str, *, special: bool) -> list[int]:
        with self._lock:
            return list(self._tokenizer(text, add_special_tokens=special, verbose=False)["input_ids"])

    def _templated(self, prompt: str) -> str:
        if not self.has_template:
            raise AnalysisError("This model defines no chat template. Switch the chat template off.")
        turn = [{"role": "user", "content": prompt}]
        with self._lock:
            return self._tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)

    def _read_piece(self, index: int) -> bytes:
        if index in self._added:
            return self._added[index].encode("utf-8", "replace")
        with self._lock:
            token = self._tokenizer.convert_ids_to_tokens(index)
        if token is None:
            return f"<unused {index}>".encode()
        if self._byte_level:
            alphabet = _byte_alphabet()
            return b"".join(
                bytes([alphabet[c]]) if c in alphabet else c.encode("utf-8", "replace") for c in token
            )
        if len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
            return bytes([int(token[3:5], 16)])  # a byte of a character outside the vocabulary
        return token.replace("▁", " ").encode("utf-8", "replace")

    def _rewritten(self, ids: tuple[int, ...], pieces: tuple[bytes, ...], written: str) -> str:
        start = 1 if ids and ids[0] == self.bos and not written.startswith(self.named_bos or "\0") else 0
        joined = b"".join(pieces[start:])
        want = written.encode()
        if joined == want:
            return ""
        if joined == b" " + want:
            return "The tokenizer puts a space before the text."
        return "The tokenizer rewrites this text before reading it; the tokens show what the model receives."


def _decodes_bytes(tokenizer) -> bool:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return False
    decoder = json.loads(backend.to_str()).get("decoder") or {}
    kinds = [decoder.get("type"), *(part.get("type") for part in decoder.get("decoders", []))]
    return "ByteLevel" in kinds


def _require_unicode(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise AnalysisError(
            f"Character {error.start + 1} of the text is half of a surrogate pair (U+{ord(text[error.start]):04X}), "
            "which no text file can hold. Delete it or paste the text again."
        ) from None
