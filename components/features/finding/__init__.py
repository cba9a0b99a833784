"""The part Find of the page Features."""
