"""Did it get better? Tasks that ask both sides the same questions, numbers with intervals, and gates."""
