"""How the shape of what a model represents changes with depth: formulas, and the measures made of them."""
