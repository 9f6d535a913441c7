"""Every section of every recipe: keys, defaults, the reading of files, and the record of a run."""
