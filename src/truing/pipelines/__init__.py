"""Several methods in a row, with a measurement before and after."""
