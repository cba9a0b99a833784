"""The parts of the erase page."""
