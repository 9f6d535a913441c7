"""What a program can say of a text: its units, its script, refusals, answers, maths, JSON."""
