"""What the command line does, as functions: `truing.train`, `check`, `sample`, `score`, `evaluate`, `report`.

given.py        rows, models and functions in memory, as a recipe names them
watching.py     how a call shows its progress
the others      a verb each, or two that belong together
"""
