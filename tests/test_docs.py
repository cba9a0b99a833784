"""Documentation cannot rot: what exists is documented, and what is documented exists."""

import inspect
import re
from pathlib import Path

import analysis
from analysis.data.labelled_sets import IDS
from analysis.geometry.measures import MEASURES, QUESTIONS
from analysis.maps.basis import BASES
from analysis.methods import LENSES
from analysis.methods.contrast import ESTIMATORS
from analysis.models.layouts import LAYOUTS
from analysis.probing import PROBES
from analysis.projections.kinds import PROJECTIONS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_lists_every_family_and_its_model_types():
    for layout in LAYOUTS:
        row = next(line for line in README.splitlines() if line.startswith(f"| {layout.family} |"))
        for model_type in layout.model_types:
            assert re.search(rf"\b{model_type}\b", row), f"{model_type} is missing in {row!r}"


def test_the_readme_lists_every_lens():
    for lens in LENSES:
        assert f"| {lens.title} |" in README


def test_the_readme_lists_every_way_to_estimate_a_direction():
    for estimator in ESTIMATORS.values():
        row = next(line for line in README.splitlines() if line.startswith(f"| {estimator.title} |"))
        assert all(number in row for number in re.findall(r"\d{4}\.\d{5}", estimator.source)[:1])


def test_the_readme_lists_every_probe_and_every_set():
    for kind in PROBES.values():
        assert f"| {kind.title} |" in README
    assert len(IDS) == 16 and "sixteen" in README


def test_the_readme_lists_every_basis_and_every_projection():
    for kind in [*BASES.values(), *PROJECTIONS.values()]:
        assert f"| {kind.title} |" in README


def test_the_readme_lists_every_question_and_measure_of_geometry():
    rows = [line for line in README.splitlines() if line.startswith("| ")]
    for question in QUESTIONS.values():
        assert any(row.startswith(f"| {question} |") for row in rows)
    for each in MEASURES:
        assert any(each.title in row.split(" | ")[1] for row in rows if row.count("|") == 4), each.title
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"in {len(MEASURES)} measures" in changelog


def test_every_public_name_has_a_docstring():
    bare = [
        name
        for name in analysis.__all__
        if callable(getattr(analysis, name)) and not inspect.getdoc(getattr(analysis, name))
    ]
    assert bare == []


def test_every_picture_of_the_readme_exists_and_is_small():
    pictures = re.findall(r"!\[.+?\]\((.+?)\)", README)
    assert pictures
    for picture in pictures:
        assert 0 < (ROOT / picture).stat().st_size < 400_000


def test_the_readmes_notebook_snippets_use_only_what_exists():
    for imported in re.findall(r"from analysis import (.+)", README):
        for name in imported.split(", "):
            assert name in analysis.__all__ or (ROOT / "analysis" / f"{name}.py").exists()
