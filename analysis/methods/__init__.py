"""Every method there is, and every lens: the only lists of them."""

from analysis.methods.lens import LogitLens
from analysis.methods.shortcut import LinearShortcut

LENSES = (LogitLens, LinearShortcut)
"""Ways to read a layer in the vocabulary."""
