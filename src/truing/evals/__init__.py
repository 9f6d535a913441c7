"""Did it get better? Sampled tasks with intervals, and one HTML report."""
