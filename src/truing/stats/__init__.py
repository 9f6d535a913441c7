"""Numbers and their uncertainty: intervals, clusters, tests, calibration, win rates. No model, no text."""
