"""Training a dictionary from the page: choices, what it will take, the curves, and what came of it."""
