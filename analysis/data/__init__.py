"""Data that ships: texts to fit on, examples to start from, and concepts as contrast pairs."""
