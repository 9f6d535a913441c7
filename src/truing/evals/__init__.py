"""Evaluation: tasks that ask both models the same questions, numbers with intervals, and gates."""
