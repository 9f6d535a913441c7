"""Numbers and their uncertainty: intervals, tests, calibration, win rates, agreement. No model, no text."""
