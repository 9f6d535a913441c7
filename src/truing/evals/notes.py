"""Templates of the notes that scoring writes beside a response.

`items.jsonl` holds a note in English; a page in another language recognises it by its template. A new kind of
note needs a template here, in `NOTES`, and its Chinese in `core/evals_zh.py`.
"""

EXPECTED = "expected {answer}"
SCORE = "score {value}"
TOO_LONG = "longer than the {context} tokens it reads"
OFF_TOPIC = "names nothing of what was asked"
WEIGHED = "{ours} to {theirs}"
NOTES = (EXPECTED, SCORE, TOO_LONG, OFF_TOPIC, WEIGHED)
