"""Numbers and their uncertainty: intervals, tests, win rates, agreement, strengths. No model, no text."""
