"""The pages where people vote, settle disagreements and look after a project.

    part = WebPart("truing.web.annotate", annotate_router(store))
    app = make_app(store.settings.name, [part], Guard(resolve=store.signed_in, open_paths=("/join",)))

A person is shown responses in an order that the store drew for them, and tells them by their slots on the
screen; the store has answers by the responses' own numbers. `shown.py` goes from one to the other.
"""
