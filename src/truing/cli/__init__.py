"""The command line: one function per verb; torch is imported only by the verbs that need it."""
