"""Runs side by side: the differences of their recipes, curves, numbers and responses."""
