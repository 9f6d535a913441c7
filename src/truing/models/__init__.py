"""Everything that touches weights: sources, loading, scoring, references, checkpoints, export."""
