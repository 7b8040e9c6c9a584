"""docs/privacy.md: what is kept of people, where and for how long, is what the code and topics.yaml say."""

from app.events.catalog import RECORDS
from app.kafka import topics
from app.queries.personal_topics import LEDGERS, personal_topics
from tests.documents.privacy import DOCUMENT, written


def test_the_page_is_as_the_marks_have_it() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert written(text) == text, "run `make docs`"


def test_every_topic_with_personal_data_is_there_and_no_other() -> None:
    specs = topics.load()
    without = {spec.name for spec in specs} - {topic.spec.name for topic in personal_topics(specs)}
    assert without == {
        "pull-requested", "stock-change", "order-assigned",
        "channel-update-requested", "order-picked", "order-shipped", "order-invoiced",
        "order-keys", "perform-ledger", "apply-ledger", "pull-ledger",
    }  # fmt: skip
    assert LEDGERS.keys() <= {spec.name for spec in specs}
    assert "order-status" in {spec.topic for spec in RECORDS.values()}
