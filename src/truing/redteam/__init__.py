"""Red teaming: attacks on a model, what it answered, and how well the classifier of its answers is known."""
