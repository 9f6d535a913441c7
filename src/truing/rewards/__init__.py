"""Scores of sampled responses: rules, reward models, the user's own functions, and their weighted sum."""
