"""What the steering page is made of: the recipe, its texts, its effect, and where directions come from."""
