"""Numbers with their doubt: intervals, clusters, tests, calibration, win rates. No model and no text."""
