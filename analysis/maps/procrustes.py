"""Turning one picture onto another: what can be turned away is no movement."""

import numpy as np
from jaxtyping import Float, Float32, Float64


def rotation(
    points: Float[np.ndarray, "point axis"], to: Float[np.ndarray, "point axis"]
) -> Float64[np.ndarray, "axis axis"]:
    """The rotation, with a reflection where that is nearer, after which centred points lie nearest to others.

    `points @ rotation` has the smallest sum of squared distances to `to`, both centred. Where one of them does not
    vary there is nothing to turn by, and the identity comes back.

    Source: Schoenemann 1966, 10.1007/BF02289451.
    """
    product = (points - points.mean(0)).T.astype(np.float64) @ (to - to.mean(0)).astype(np.float64)
    if not product.any():
        return np.eye(product.shape[0])
    left, _, right = np.linalg.svd(product)
    return left @ right


def aligned(
    points: Float32[np.ndarray, "point axis"], to: Float32[np.ndarray, "point axis"]
) -> Float32[np.ndarray, "point axis"]:
    """Points moved as one rigid body onto others: turned, reflected and shifted, never stretched.

    Distances between the points stay; the sum of squared distances to `to` never grows.

    Args:
        points: what is moved.
        to: the same points in another picture, in the same order.

    Source: Schoenemann 1966, 10.1007/BF02289451.
    """
    centre = to.mean(0, dtype=np.float64)
    return ((points - points.mean(0, dtype=np.float64)) @ rotation(points, to) + centre).astype(np.float32)


def displacement(frames: Float32[np.ndarray, "layer point axis"]) -> Float32[np.ndarray, " step"]:
    """How far points move from one layer's picture to the next: mean step over the two pictures' RMS radius.

    0 is a still picture; two pictures that have nothing in common give about 1.25 in two dimensions. NaN where both
    pictures are a single point.

    Args:
        frames: one picture of the same points for every layer.

    Returns:
        One number per pair of consecutive layers.
    """
    wide = frames.astype(np.float64)
    steps = np.linalg.norm(np.diff(wide, axis=0), axis=-1).mean(1)
    squares = ((wide - wide.mean(1, keepdims=True)) ** 2).sum(-1).mean(1)
    radius = np.sqrt((squares[1:] + squares[:-1]) / 2)
    return np.divide(steps, radius, out=np.full(len(steps), np.nan), where=radius > 0).astype(np.float32)
