"""Bathyscope's analysis backend, usable from a notebook without the app.

from analysis import load, read, shortcut

model = load()                                   # SmolLM2-135M-Instruct, or any ModelSpec
trace = model.run("The capital of France is")
reading = read(model, trace, shortcut(model))
"""

from analysis.activations import Row, Trace
from analysis.edits import BASE, EDITS, Ablate, Edit, Replace, Site, Steer, Variant
from analysis.errors import AnalysisError, Cancelled
from analysis.fingerprint import fingerprint
from analysis.methods import LENSES
from analysis.methods.lens import Lens, LogitLens, Reading, follow, read
from analysis.methods.shortcut import LinearShortcut
from analysis.methods.shortcut import prepared as shortcut
from analysis.models.decode import GREEDY, Sampling, Step
from analysis.models.loaded import LoadedModel
from analysis.models.opening import load, wrap
from analysis.models.spec import ModelSpec
from analysis.results import Bounds, LayerByPosition, LayerCurve, Provenance, TokenRanking
from analysis.tokens import Tokens

__all__ = [
    "BASE",
    "EDITS",
    "GREEDY",
    "LENSES",
    "Ablate",
    "AnalysisError",
    "Bounds",
    "Cancelled",
    "Edit",
    "LayerByPosition",
    "LayerCurve",
    "Lens",
    "LinearShortcut",
    "LoadedModel",
    "LogitLens",
    "ModelSpec",
    "Provenance",
    "Reading",
    "Replace",
    "Row",
    "Sampling",
    "Site",
    "Steer",
    "Step",
    "TokenRanking",
    "Tokens",
    "Trace",
    "Variant",
    "fingerprint",
    "follow",
    "load",
    "read",
    "shortcut",
    "wrap",
]
