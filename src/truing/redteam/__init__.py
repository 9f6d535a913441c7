"""Attacks on a model, what came of them, and rows to train against its failures."""
