"""Categories and their parents as vectors: their words, how they lie to one another, and what of that is free."""
