"""Dictionaries of features: what a representation is made of, where they come from, and what they do."""
