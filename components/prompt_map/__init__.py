"""The parts of the map of a text: its choices, the picture, the panel beside it, and how far to trust it."""
