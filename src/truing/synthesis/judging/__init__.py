"""Verdicts of judges on the rows of files, with an audit against the labels that people gave."""
