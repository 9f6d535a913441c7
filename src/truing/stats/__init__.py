"""Numbers and their uncertainty: intervals, tests, calibration, win rates, agreement, strengths. No model, no text."""
