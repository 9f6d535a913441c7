"""Pages that a person works in: annotation, live runs, the arena. Loopback and one token by default."""
