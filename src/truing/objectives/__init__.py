"""Losses bound to a model: the arguments that rows and models supply, and the step that computes a loss."""
