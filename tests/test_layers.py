"""Imports point down: pages, components, analysis, and only `analysis/models` knows transformers."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = ("app.py", "pages", "components", "analysis")
WORKERS_OWN = ("umap", "openTSNE", "pacmap", "faiss", "numba", "pynndescent")
"""Seconds of import, a minute of compilation, and now and then an aborted process: they live in a worker's modules."""
LENS_BASE = "analysis.methods.lens"
"""Not one method among others: it defines what a lens is, and every lens is built on it."""


def modules(root: Path) -> dict[str, Path]:
    """Dotted name of every module of the program, and its file."""
    files = [
        path
        for top in SOURCES
        for path in ([root / top] if top.endswith(".py") else (root / top).rglob("*.py"))
    ]
    return {name(root, path): path for path in files if path.is_file()}


def name(root: Path, path: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(module: str, path: Path, known: set[str]) -> set[str]:
    """Every module that a file imports anywhere in it, for types only included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = module if path.name == "__init__.py" else module.rpartition(".")[0]
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            inside = {f"{base}.{alias.name}" for alias in node.names} & known
            # `from package import module` imports that module, not the package's own names
            found |= inside | ({base} if len(inside) < len(node.names) else set())
    return found


def within(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def is_method(module: str) -> bool:
    return within(module, "analysis.methods") and module != "analysis.methods"


def allowed(module: str, target: str) -> bool:
    """True if the layers let `module` import `target`."""
    if within(target, "transformers", "tokenizers", "huggingface_hub"):
        return within(module, "analysis.models")
    if within(target, *WORKERS_OWN):
        return within(module, "analysis.projections.fits")
    if within(module, "analysis"):
        if within(target, "streamlit", "plotly", "components", "pages", "app"):
            return False
        others = is_method(module) and is_method(target) and target not in (module, LENS_BASE)
        return not others
    if within(module, "components"):
        return not within(target, "pages", "app")
    if within(module, "pages"):
        return not within(target, "pages", "app")
    return True


def violations(root: Path) -> list[str]:
    files = modules(root)
    return sorted(
        f"{module} imports {target}"
        for module, path in files.items()
        for target in imported(module, path, set(files))
        if not allowed(module, target)
    )


def test_imports_point_down():
    assert len(modules(ROOT)) > 20
    assert violations(ROOT) == []


PLANTED = {
    "analysis/tokens.py": ("import streamlit as st", "analysis.tokens imports streamlit"),
    "analysis/results.py": ("from plotly.graph_objects import Figure", "analysis.results imports plotly.graph_objects"),
    "analysis/jobs.py": ("from components import frame", "analysis.jobs imports components.frame"),
    "analysis/edits/edit.py": ("from transformers import AutoModel", "analysis.edits.edit imports transformers"),
    "analysis/map.py": ("def fit():\n    import umap", "analysis.map imports umap"),
    "analysis/projections/client.py": ("from faiss import knn", "analysis.projections.client imports faiss"),
    "components/map.py": ("import openTSNE", "components.map imports openTSNE"),
    "components/nearest.py": ("import numba", "components.nearest imports numba"),
    "analysis/methods/probe.py": (
        "from analysis.methods import erase", "analysis.methods.probe imports analysis.methods.erase"
    ),
    "analysis/methods/steer.py": ("from .probe import fit", "analysis.methods.steer imports analysis.methods.probe"),
    "components/grid.py": ("from pages.read import lens", "components.grid imports pages.read.lens"),
    "components/cards.py": ("if True:\n    import transformers.models", "components.cards imports transformers.models"),
    "pages/read/lens.py": ("import pages.map.prompt", "pages.read.lens imports pages.map.prompt"),
    "pages/map/prompt.py": ("from ..read import lens", "pages.map.prompt imports pages.read.lens"),
    "app.py": ("from transformers import pipeline", "app imports transformers"),
}  # fmt: skip
HARMLESS = {
    "analysis/projections/fits/umaps.py": "def fit():\n    from umap import UMAP\n    import numba",
    "analysis/models/loaded.py": "import transformers",
    "analysis/methods/__init__.py": "from analysis.methods import probe, erase",
    "analysis/methods/erase.py": "import numpy\nfrom analysis.methods import lens\nfrom analysis import tokens",
    "analysis/methods/lens.py": "from analysis.models.loaded import LoadedModel",
    "components/frame.py": "import streamlit\nfrom analysis import tokens\nfrom components import grid",
    "pages/read/other.py": "import streamlit\nfrom components import frame\nfrom analysis.methods import probe",
}


def plant(root: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text + "\n")
    return root


def test_every_planted_violation_is_found_and_nothing_else(tmp_path):
    root = plant(tmp_path, HARMLESS | {path: text for path, (text, _) in PLANTED.items()})
    assert violations(root) == sorted(sentence for _, sentence in PLANTED.values())


def test_a_tree_without_a_violation_has_none(tmp_path):
    assert violations(plant(tmp_path, HARMLESS)) == []


def loaded_by(code: str) -> set[str]:
    """Packages in a fresh process after running `code`."""
    code += "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert ran.returncode == 0, ran.stderr
    return set(ran.stdout.split())


EVERY_MODULE = """
import importlib, pkgutil, analysis
for module in pkgutil.walk_packages(analysis.__path__, "analysis."):
    importlib.import_module(module.name)
"""


def test_importing_all_of_analysis_loads_neither_streamlit_nor_plotly_nor_what_a_worker_needs():
    packages = loaded_by(EVERY_MODULE)
    assert "analysis" in packages
    assert not packages & {"streamlit", "plotly", "components", "pages", *WORKERS_OWN}


def test_a_loaded_package_would_be_seen():
    assert "plotly" in loaded_by("import plotly")
