"""The command line's verbs as functions: `truing.train`, `check`, `sample`, `score`, `evaluate`, `report`.

given.py        rows, models and functions in memory, under the names of a recipe
watching.py     the progress of a call
the others      one verb each, or two related verbs
"""
