"""Nouns and ground: records, recipes, run folders, errors. Nothing here imports torch."""
