"""Attacks: each is a function from a prompt and the talk so far to the next message of the user."""
