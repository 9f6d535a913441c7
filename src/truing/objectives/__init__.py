"""A loss bound to a model: what a row supplies, what a loss asks, and how a step computes both."""
