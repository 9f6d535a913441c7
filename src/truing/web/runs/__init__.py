"""The live page of run folders: what runs, how it goes, what went wrong, and the button that stops it."""
