"""One optimiser step and the loop around it; methods decide what goes into them."""
