"""Bathyscope's analysis backend, usable from a notebook without the app.

    from analysis import load, read, shortcut

    model = load()                                   # SmolLM2-135M-Instruct, or any ModelSpec
    trace = model.run("The capital of France is")
    reading = read(model, trace, shortcut(model))

Names are imported when they are first asked for: the launcher must not wait for torch.
"""

from importlib import import_module

_WHERE = {
    "analysis.activations": ("Row", "Trace"),
    "analysis.edits": (
        "BASE",
        "EDITS",
        "Ablate",
        "Change",
        "ChangeFeatures",
        "Edit",
        "Erase",
        "KeepPart",
        "PushAsFar",
        "Reflect",
        "Replace",
        "SetComponent",
        "Site",
        "Steer",
        "Variant",
    ),
    "analysis.directions": ("Direction", "Probe", "Separation"),
    "analysis.erasers": ("ERASERS",),
    "analysis.erasers.eraser": ("Eraser",),
    "analysis.erasers.erasure": ("Erasure",),
    "analysis.errors": ("AnalysisError", "Cancelled"),
    "analysis.methods": ("LENSES",),
    "analysis.methods.lens": ("Lens", "LogitLens", "Reading", "follow", "read"),
    "analysis.methods.shortcut": ("LinearShortcut", "shortcut"),
    "analysis.models.decode": ("GREEDY", "Sampling", "Step"),
    "analysis.models.loaded": ("LoadedModel",),
    "analysis.models.opening": ("load", "wrap"),
    "analysis.models.spec": ("ModelSpec",),
    "analysis.recipes": ("Dose", "Recipe"),
    "analysis.sides": ("Sides",),
    "analysis.results": (
        "AgainstNull",
        "Bounds",
        "LayerByPosition",
        "LayerCurve",
        "PointCloud",
        "Provenance",
        "TokenRanking",
    ),
    "analysis.tokens": ("Tokens",),
}
"""The public names, by the module that holds them."""

_HOLDER = {name: module for module, names in _WHERE.items() for name in names}
__all__ = sorted(_HOLDER)


def __getattr__(name: str):
    if name in _HOLDER:
        return getattr(import_module(_HOLDER[name]), name)
    raise AttributeError(f"module 'analysis' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return __all__
