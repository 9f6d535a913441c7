"""Votes of people in one database: projects, people, items, votes; no model, no page."""
