"""People's votes as numbers, and the next items to vote on: from a project's store to the statistics and back."""
