"""What can be asked of a whole dictionary: one module a question."""
