"""A dictionary seen whole: where its directions lie, which features fire together, and what shapes they make."""
