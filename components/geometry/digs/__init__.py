"""Panels that open what made a number: one module for each question."""
