import pytest

from truing.training.plan import Plan


def test_counts_by_hand():
    plan = Plan(items=10, items_per_step=4, epochs=2.5, seed=0)
    assert plan.steps_per_epoch == 3, "4 + 4 + 2"
    assert plan.total == 8, "7.5 steps, rounded up"
    assert [plan.epoch_of(step) for step in range(1, 9)] == [0, 0, 0, 1, 1, 1, 2, 2]
    assert [len(plan.items_of(step)) for step in range(1, 9)] == [4, 4, 2, 4, 4, 2, 4, 4]


@pytest.mark.parametrize(
    ("epochs", "limit", "total"), [(1.0, 5, 5), (1.0, 500, 100), (0.001, None, 1), (1.1, None, 110)]
)
def test_total_steps(epochs: float, limit: int | None, total: int):
    # 1.1 * 100 is 110.00000000000001 in floating point, which is no reason for a 111th step.
    assert Plan(items=100, items_per_step=1, epochs=epochs, seed=0, max_steps=limit).total == total


@pytest.mark.parametrize("items_per_step", [1, 4, 10, 64])
def test_every_epoch_takes_every_item_once(items_per_step: int):
    plan = Plan(items=10, items_per_step=items_per_step, epochs=3, seed=1)
    for epoch in range(3):
        steps = range(epoch * plan.steps_per_epoch + 1, (epoch + 1) * plan.steps_per_epoch + 1)
        assert sorted(item for step in steps for item in plan.items_of(step)) == list(range(10))


def test_order_follows_from_seed_and_step_alone():
    def orders(seed: int) -> list[list[int]]:
        plan = Plan(items=50, items_per_step=50, epochs=2, seed=seed)
        return [plan.items_of(2), plan.items_of(1)]

    assert orders(3) == orders(3)
    assert orders(3)[0] != orders(3)[1], "every epoch is shuffled anew"
    assert orders(3) != orders(4)
    assert orders(3)[0] != sorted(orders(3)[0])


def test_a_longer_run_begins_like_a_shorter_one():
    short, long = (Plan(items=10, items_per_step=3, epochs=epochs, seed=0) for epochs in (1, 5))
    assert [short.items_of(step) for step in range(1, 5)] == [long.items_of(step) for step in range(1, 5)]


def test_the_largest_seed_a_recipe_may_have_works():
    assert sorted(Plan(items=5, items_per_step=5, epochs=1, seed=2**63 - 1).items_of(1)) == list(range(5))


def test_retained_items_come_along_at_their_own_pace():
    with_them = Plan(items=10, items_per_step=4, epochs=4, seed=1, retained=9)
    without = Plan(items=10, items_per_step=4, epochs=4, seed=1)
    assert (with_them.total, with_them.steps_per_epoch) == (without.total, without.steps_per_epoch)
    steps = [with_them.items_of(step) for step in range(1, with_them.total + 1)]
    kept = [[item for item in step if item >= 10] for step in steps]
    learnt = [[item for item in step if item < 10] for step in steps]
    assert learnt == [without.items_of(step) for step in range(1, without.total + 1)]
    assert [len(items) for items in kept] == [4] * with_them.total
    # Two steps of four go through nine: within them no item comes twice.
    assert all(len({*kept[k], *kept[k + 1]}) == 8 for k in range(0, with_them.total, 2))
    assert set().union(*kept) == set(range(10, 19))


def test_retained_items_may_be_more_than_those_that_are_learnt():
    plan = Plan(items=8, items_per_step=4, epochs=1, seed=1, retained=20, retained_per_step=10)
    kept = [[item for item in plan.items_of(step) if item >= 8] for step in (1, 2)]
    assert [len(items) for items in kept] == [10, 10]
    assert set(kept[0]) | set(kept[1]) == set(range(8, 28)), "an epoch goes through all of them"


def test_fewer_retained_items_than_a_step_takes_all_come_every_time():
    plan = Plan(items=10, items_per_step=4, epochs=1, seed=1, retained=2)
    assert [sorted(plan.items_of(step)[-2:]) for step in (1, 2, 3)] == [[10, 11]] * 3
