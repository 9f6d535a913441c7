"""From prompts to an experience: prompts are drawn, responses sampled and scored, tokens given credit."""
