"""Data that ships: texts to fit on and examples to start from."""
