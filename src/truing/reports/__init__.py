"""Pages for people: of a training run, an evaluation, a comparison of runs, and what a terminal shows."""
