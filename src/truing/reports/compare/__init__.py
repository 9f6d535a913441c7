"""Runs side by side: what differs in their recipes, their curves, their numbers and their answers."""
