"""A method is a row: a data shape, an objective and its defaults."""
