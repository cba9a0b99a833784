"""What made a bend, a miss or a cost: the path of a text, the tokens at both ends, and the blocks side by side."""

from components.geometry.digging import Digging
from components.geometry.digs.straight_blocks import draw_blocks
from components.geometry.digs.straight_path import draw_path
from components.geometry.digs.straight_tokens import draw_kinds, draw_tokens


def draw(dig: Digging) -> None:
    """The panel of the measure that is looked into."""
    _PANELS[dig.measured.measure.id](dig)


_PANELS = {
    "curvature": draw_path,
    "state_angle": draw_path,
    "linearity": draw_tokens,
    "linearity_without_skip": draw_tokens,
    "token_nonlinearity": draw_tokens,
    "contextualisation": draw_kinds,
    "self_similarity": draw_kinds,
    "block_influence": draw_blocks,
    "entropy_gain": draw_blocks,
    "skip_cost": draw_blocks,
}
