"""Properties of a text that a program can find: units, script, refusals, answers, maths, JSON."""
