"""From prompts to an experience: what is asked, sampled and scored, and the credit of each token."""
