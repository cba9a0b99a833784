"""States that are sparse sums of known directions."""

import torch


def planted(features: int = 48, width: int = 40, active: float = 2.5):
    """Directions, and batches that are sparse sums of them."""
    generator = torch.Generator().manual_seed(5)
    rows = torch.randn(features, width, generator=generator)
    rows = rows / rows.norm(dim=1, keepdim=True)

    def batch(points: int) -> torch.Tensor:
        on = torch.rand(points, features, generator=generator) < active / features
        x = (on * (0.5 + torch.rand(points, features, generator=generator))) @ rows
        return x * (width**0.5 / x.norm(dim=1).mean())

    return rows, batch
