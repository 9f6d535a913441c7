"""The whole way: two people vote by keyboard, agreement is shown, differences are settled, a model learns."""

import truing
from truing.cli.annotating import vote_numbers
from truing.store.people import PersonRole

from .projects import app_of, pairs, press, session, wait_saved

ITEMS = 6


def test_two_people_vote_and_a_reward_model_learns_from_it(project, served, watched, model_folder, tmp_path):
    store = project(pairs(ITEMS), overlap=2)
    site = served(app_of(store, vote_numbers))
    for name, language, keys in (("Ada", "en", "112211"), ("陈晨", "zh", "221121")):
        page = watched(f"{site.url}/language/{language}", **session(site, store, name)).page
        for key in keys:
            press(page, key)
        wait_saved(page)
    votes = list(store.standing_votes())
    assert len(votes) == 2 * ITEMS and len({(vote.person, vote.item) for vote in votes}) == 2 * ITEMS
    waiting = len(store.disagreements())
    admin = watched(f"{site.url}/project", **session(site, store, "Cy", PersonRole.ADMIN)).page
    admin.wait_for_selector("#numbers table")
    assert "Krippendorff's alpha" in admin.inner_text("#numbers")
    assert admin.locator(".interval", has_text="to").count() > 1
    admin.goto(f"{site.url}/disagreements")
    for _ in range(waiting):
        press(admin, "1")
    if waiting:
        wait_saved(admin)
    assert store.disagreements() == [] and len(list(store.settling_votes())) == waiting
    admin.goto(f"{site.url}/project")
    with admin.expect_download() as downloading:
        admin.click('a[href="/project/votes/preference"]')
    rows = tmp_path / "votes.jsonl"
    downloading.value.save_as(rows)
    run = truing.train(
        {
            "method": "reward",
            "policy": str(model_folder),
            "data": {"train": [str(rows)]},
            "optim": {"items_per_step": 2, "epochs": 1},
            "dtype": "float32",
            "output": str(tmp_path / "reward"),
        }
    )
    assert run.path == tmp_path / "reward"
    assert truing.score(rows, model=run).rows
