"""The arena: one question to two models side by side, a vote, and the standings of all models.

`talks.py` holds the conversations, `contest.py` has both sides written and counts, `router.py` has the pages.
"""
