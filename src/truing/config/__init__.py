"""Every section of every recipe: keys, defaults, how a file is read, and what a run keeps of it."""
