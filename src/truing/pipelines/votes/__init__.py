"""People's votes as numbers, and the next items to vote on: from a project to its statistics and back."""
