"""The parts of the page about geometry: its choices, what is read, the curves, and what opens their numbers."""
