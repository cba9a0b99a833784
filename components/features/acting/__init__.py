"""Changing features and watching what follows: the parts of the page's part `act`."""
