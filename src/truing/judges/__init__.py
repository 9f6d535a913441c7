"""Text in, opinion out: models that are asked what they think of a response."""
