"""Health findings as a page tells them."""

from truing.config.run_folder import HEALTH
from truing.core.files import append_jsonl
from truing.training.health import Finding

from .runs import page_of


def test_what_the_health_rules_said_is_on_the_page(run_folder):
    path = run_folder()
    assert "Healthy: 3 of 11 rules had metrics to look at, and none saw anything wrong." in page_of(path).text
    finding = Finding("kl_runaway", 9, 4, "KL is 2.1 nats a token", "raise loss.kl_weight", "stop")
    append_jsonl(path / HEALTH, finding.row())
    page = page_of(path)
    text = " ".join(page.text.split())
    assert "The policy runs away from its reference, since step 4" in text
    assert "What was seen: KL is 2.1 nats a token." in text
    assert "What to do: raise loss.kl_weight. The run was stopped for it." in text
    assert text.index("since step 4") < text.index("Finished after 3 steps"), "above all else"
    assert "Healthy" not in text
