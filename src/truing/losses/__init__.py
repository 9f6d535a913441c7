"""Pure functions from log-probabilities to losses: one table per kind, no model, no reduction."""
