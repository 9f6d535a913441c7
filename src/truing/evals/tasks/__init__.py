"""The tasks of an evaluation: `table.py` names them, one file holds a family of like ones."""
