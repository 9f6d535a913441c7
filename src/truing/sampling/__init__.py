"""Responses from a policy: keyed by (seed, prompt, k), the same whatever the batch."""
