"""Constitutional AI: answers are criticised under principles and revised, and the revisions become rows."""
