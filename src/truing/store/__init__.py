"""Votes of people in one database: a project, its people, items and votes; no model, no page.

    store = open_store("project.db")                    or "postgresql://USER@HOST/NAME"
    store.add_items([NewItem(prompt, (Candidate("yes"), Candidate("no")))])
    person = store.claim(store.invite(PersonRole.ANNOTATOR)[0], "Ada")
    shown = store.next_items(person.id)[0]
    store.save(NewVote(person.id, shown.item.id, PairAnswer("first"), client_key=uuid))

Rows of votes are appended, never changed. The table `standing` points to the vote that counts for each
person, item and look, and can be made anew from the votes.
"""
