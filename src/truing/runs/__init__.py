"""One run, from a recipe to a result: rows, sessions, the loop, what findings lead to, check, train."""
