"""Hardening: attack a model, teach it to decline what succeeded, measure it, and again."""
