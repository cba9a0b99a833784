"""Dictionaries without gradient descent: factors, independent and principal components."""
