"""The parts of the map of many texts: its choices, the reading, colours, and what is asked of points and groups."""
