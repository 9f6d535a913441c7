"""Rows that models make: preferences, revisions, verdicts, negatives, each with its lineage."""
