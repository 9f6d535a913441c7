"""The tasks of an evaluation: `table.py` names them, and each other file holds a family of similar tasks."""
