"""Text in, opinion out: models that are asked for their opinion of a response."""
