"""The profile of a model as one printable page: its curves beside controls, what is found in them, a table."""

from collections.abc import Iterator

from analysis.geometry.compared import CONTROLS, Compared
from analysis.geometry.profile import DEPTHS, Profile, at_depths
from components.figures.geometry_html import STYLE, html_table, in_words
from components.figures.geometry_svg import Shown, curves_svg
from components.figures.page import code_block, head, provenance_list, text

COLUMNS = 4


def profile_html(profile: Profile, code: str) -> str:
    """The whole page as text.

    Args:
        profile: what was measured.
        code: Python that measures the same.
    """
    return "\n".join(
        [
            *head(_title(profile), STYLE, ""),
            f"<h1>{text(_title(profile))}</h1>",
            f'<p class="explanation">{text(_subtitle(profile))}</p>',
            *_curves(profile),
            *_findings(profile),
            *_depths(profile),
            *_missing(profile),
            *provenance_list(dict(profile.facts())),
            *_sources(profile),
            *code_block(code),
            "</main></body></html>",
        ]
    )


def shown_of(compared: Compared) -> tuple[Shown, ...]:
    """What a panel draws: the model and its controls."""
    own = ("this model", "base", compared.base)
    shuffled = [
        (f"{CONTROLS['shuffled']}, draw {number}", "null", one)
        for number, one in enumerate(compared.shuffled, 1)
    ]
    others = [(CONTROLS[id], "null", one) for id in ("untrained", "gaussian") for one in compared.of(id)]
    return (own, *shuffled, *others)


def _title(profile: Profile) -> str:
    return f"Profile of {profile.model}"


def _subtitle(profile: Profile) -> str:
    return (
        f"Revision {profile.revision}, {profile.dtype}, layers 0 (embedding) to {profile.n_layers}, d_model "
        f"{profile.d_model}. Read on {profile.texts:,} texts of “{profile.corpus}”: N = {profile.points:,} tokens, "
        f"{profile.left_out:,} first tokens and outliers of norm left out."
    )


def _curves(profile: Profile) -> Iterator[str]:
    if profile.curves:
        every = [line for compared in profile.curves for line in shown_of(compared)]
        yield f"<figure>{curves_svg(every, columns=COLUMNS)}</figure>"


def _findings(profile: Profile) -> Iterator[str]:
    yield "<h2>What papers report, looked for in these curves</h2>"
    rows = "".join(
        f'<tr><td class="verdict">{text(each.verdict)}</td><td>{text(each.title)}<br><span>{text(each.claim)}</span>'
        f"</td><td>{text(each.sentence)}</td><td><span>{text(each.source)}</span></td></tr>"
        for each in profile.findings
    )
    names = "".join(f'<th scope="col">{name}</th>' for name in ("", "claim", "numbers and rule", "source"))
    yield f'<div class="table whole"><table class="wide"><thead><tr>{names}</tr></thead>'
    yield f"<tbody>{rows}</tbody></table></div>"


def _depths(profile: Profile) -> Iterator[str]:
    yield "<h2>Values at five depths</h2>"
    rows = []
    for compared in profile.curves:
        about = compared.base.measure
        cells = [f"{value:.4g} (layer {layer})" for layer, value in at_depths(compared.base)]
        rows.append((about.title, about.unit, f"{compared.base.count:,}", *cells))
    yield html_table(
        ("measure", "unit", "N", *(f"{depth:.0%} of the depth" for depth in DEPTHS)), rows, "wide"
    )


def _missing(profile: Profile) -> Iterator[str]:
    if profile.missing:
        yield "<h2>Not measured</h2>"
        yield html_table(("what", "why"), profile.missing, "wide")


def _sources(profile: Profile) -> Iterator[str]:
    yield "<details><summary>What every measure is, its source, and when it misleads</summary>"
    for compared in profile.curves:
        yield '<section class="measure">'
        yield from in_words(compared.base.measure, compared.base.params)
        yield "</section>"
    yield "</details>"
