"""What a feature adds to the residual stream, whatever site its dictionary reads."""

import numpy as np
import torch
from jaxtyping import Float32

from analysis.dictionaries.dictionary import Dictionary
from analysis.models.loaded import LoadedModel


def written(
    model: LoadedModel, dictionary: Dictionary, features: list[int] | None = None
) -> Float32[np.ndarray, "feature d_model"]:
    """The vectors that one unit of activation adds to the residual stream.

    For a dictionary of the residual stream, or of what attention or an MLP adds to it, they are the decoder's rows; for
    one of the MLP's neurons, what the block's last map makes of those.

    Args:
        model: the model.
        dictionary: of this model.
        features: which ones; None is all.

    Misleads when: the family normalises what an MLP adds (Gemma 2 and 3, OLMo 2): the vector is then what goes into
        that norm.
    """
    chosen = list(range(dictionary.features)) if features is None else features
    rows = dictionary.directions(chosen)
    if dictionary.site.stream != "neurons":
        return rows
    return model.on_worker(lambda: model.parts.written(dictionary.site.layer, torch.from_numpy(rows))).numpy()
