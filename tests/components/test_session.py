"""Addresses: what a link says is believed only where it makes sense."""

from hypothesis import given
from hypothesis import strategies as some

from analysis import ModelSpec
from components.literal import for_plotly, literal, plain
from components.session import View, from_address, to_address

numbers = some.lists(some.integers(0, 10**6), max_size=8).map(tuple)


@given(
    prompt=some.text(max_size=60),
    position=some.none() | some.integers(0, 10**6),
    layer=some.none() | some.integers(0, 200),
    generated=numbers,
    pinned=some.lists(some.integers(0, 10**6), max_size=6).map(tuple),
    target=some.none() | some.integers(0, 10**6),
    chat=some.booleans(),
    color=some.sampled_from(["probability", "rank", "kl"]),
)
def test_a_view_survives_its_address(**parts):
    asked = View(spec=ModelSpec("owner/name", "main", "bfloat16"), lens="logit", **parts)
    assert from_address(to_address(asked), View()) == asked


names = some.sampled_from(
    ["model", "revision", "dtype", "prompt", "chat", "more", "token", "layer", "lens", "color"]
)


@given(some.dictionaries(names | some.text(max_size=5), some.text(max_size=40)))
def test_no_address_can_break_a_view(address):
    seen = from_address(address, View())
    assert seen.position is None or 0 <= seen.position < 10**9
    assert seen.lens in ("shortcut", "logit") and seen.spec.dtype in ("auto", "float32", "bfloat16")


@given(some.text(alphabet="ab`$*_[]<>:\\", min_size=1, max_size=20))
def test_literal_text_is_fenced_by_more_backticks_than_it_holds(text):
    written = literal(text)
    fence = written[: len(written) - len(written.lstrip("`"))]
    inner = written[len(fence) : -len(fence)]
    assert fence not in inner.strip(" ") or not inner.strip()
    assert text in inner


def test_plain_text_escapes_every_sign_of_markdown():
    assert plain("a *b* [c](d) $e$ :f:\ng") == r"a \*b\* \[c\]\(d\) \$e\$ \:f\: g"
    assert for_plotly("<b>&") == "&lt;b&gt;&amp;"
