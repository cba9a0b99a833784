"""What stands on a feature's card."""
