"""Preference rows of a true answer and a false one: rows.py reads, ways.py falsifies, run.py counts."""
