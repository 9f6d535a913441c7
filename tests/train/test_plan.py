import pytest

from truing.train.plan import Plan


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
