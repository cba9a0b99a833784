"""What LEACE leaves of every shipped concept and what that costs, as a table.

    python -m analysis.data.measure_erasure [--layer 15] [--method leace] [concept ...]

`before` and `after` are held-out scores of probes that learned from the examples the eraser was fitted to; `fresh`
ones learned from other held-out examples. Accuracy for classes, R2 for numbers; an asterisk marks an interval that
reaches down to chance.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence

from analysis.captures import spot_of
from analysis.certificates.compare import Comparison, compare
from analysis.data.labelled_sets import IDS, labelled_set
from analysis.erasers import ERASERS
from analysis.errors import AnalysisError
from analysis.methods.erase import Plan
from analysis.models.loaded import LoadedModel
from analysis.models.opening import load
from analysis.models.spec import ModelSpec
from analysis.probing.measures import Score

COLUMNS = ("concept", "layer", "before", "after", "fresh before", "fresh after", "chance", "KL bits", "rank")
WIDTHS = (16, 5, 18, 18, 18, 18, 7, 7, 4)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    asked = _parser().parse_args(arguments)
    model = load(ModelSpec())
    sys.stdout.write(line(COLUMNS) + "\n")
    for row in rows(model, asked.concepts or IDS, asked.method, asked.layer):
        sys.stdout.write(line(row) + "\n")
        sys.stdout.flush()


def rows(
    model: LoadedModel, concepts: Sequence[str], method: str = "leace", layer: int | None = None
) -> Iterator[tuple[str, ...]]:
    """One row of text per concept; the layer is the model's middle where none is given."""
    at = model.n_layers // 2 if layer is None else layer
    for name in concepts:
        given = labelled_set(name)
        plan = Plan(method, (at, at), spot=spot_of(given))
        try:
            yield _row(name, compare(model, given, plan, (method,)))
        except AnalysisError as error:
            yield (name, str(at), str(error), *[""] * (len(COLUMNS) - 3))


def line(cells: Sequence[str]) -> str:
    """Cells in columns."""
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True)).rstrip()


def _row(name: str, found: Comparison) -> tuple[str, ...]:
    before, after = found.rows

    def shown(score: Score) -> str:
        return f"{score}{'*' if score.low <= found.chance else ''}"

    scores = (shown(each) for each in (before.left, after.left, before.fresh, after.fresh))
    return (name, str(found.layer), *scores, f"{found.chance:.2f}", f"{after.bits:.3f}", str(after.rank))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("concepts", nargs="*", metavar="concept", help=f"some of {', '.join(IDS)}")
    parser.add_argument("--layer", type=int, help="default: the middle one")
    parser.add_argument("--method", choices=list(ERASERS), default="leace")
    return parser


if __name__ == "__main__":
    main()
