"""One run, from a recipe to a result: rows, sessions, the loop, actions on health findings, check, train."""
