"""Tensor code of one forward: attention over trees, layers, products, the head. No model is opened here."""
