"""What the worker process computes; nothing outside of it imports the libraries these modules use.

Each imports its library when it is first called: an import costs seconds, and the compilation behind it more.
"""

from analysis.projections.fits.aligned import fit_aligned, warm_aligned
from analysis.projections.fits.neighbours import find_neighbours
from analysis.projections.fits.pacmaps import fit_pacmap, warm_pacmap
from analysis.projections.fits.tsne import fit_tsne
from analysis.projections.fits.umaps import fit_umap, warm_umap

TASKS = {
    "neighbours": find_neighbours,
    "umap": fit_umap,
    "aligned": fit_aligned,
    "tsne": fit_tsne,
    "pacmap": fit_pacmap,
    "warm_umap": warm_umap,
    "warm_aligned": warm_aligned,
    "warm_pacmap": warm_pacmap,
}
"""Every task, by id: from named arrays and settings to named arrays and facts."""
WARMING = ("warm_umap", "warm_aligned", "warm_pacmap")
"""Tasks that make later ones fast, most wanted first."""
