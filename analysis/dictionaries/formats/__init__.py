"""Folders in which other libraries keep dictionaries, read and written without them."""
