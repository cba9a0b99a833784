"""The page Features: which features fire, what each means and does, and where dictionaries come from."""
