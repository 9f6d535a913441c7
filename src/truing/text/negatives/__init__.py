"""False answers by rule: a true answer with a number, a date, a unit, a name, a negation or a hedge changed.

    passage = read_passage("预计2024年营收将达3.5亿元。")
    negative = falsify(passage, rules=["numbers"], changes=1, seed=0)

`table.py` names the rules, `make.py` chooses among their changes and checks that the result is false. A rule
is a function of a passage that yields changes, each a group of edits that stand together. To add a rule,
write the function and give it a row in `RULES`.
"""
