"""What scores a sampled response: rules, reward models, functions of one's own, and their weighted sum."""
