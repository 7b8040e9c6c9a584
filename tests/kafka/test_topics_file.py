"""topics.yaml: what it says, and what is wrong with a wrong one. The broker's side is in tests/kafka/test_topics.py."""

import pytest

from app.errors import TopicError
from app.kafka import topics
from app.kafka.topic_admin import Drift
from app.kafka.topics import TopicSpec, parse

TOPICS = {topic.name: topic for topic in topics.load()}
GOOD = """
partitions: 4
topics:
  a:
    event: order created
    schema: a
    key: order id
    writers: [any]
    cleanup: delete
    retention: 7d
    meaning: Something.
  b:
    key: order id
    writers: [pull]
    cleanup: compact
    partitions: 1
    bytes_max: 2048
    meaning: Something else.
"""


def test_a_file_becomes_specs() -> None:
    first, second = parse(GOOD, "t.yaml")
    assert first == TopicSpec(
        "a", "order created", "a", "order id", 4, "delete", 7 * 86_400_000, None, ("any",), "Something."
    )
    assert first.configs == {
        "cleanup.policy": "delete",
        "message.timestamp.type": "LogAppendTime",
        "retention.ms": "604800000",
    }
    assert (second.event, second.schema, second.partitions) == (None, None, 1)
    assert second.configs["cleanup.policy"] == "compact"
    assert second.configs["max.message.bytes"] == "2048"


def test_a_number_of_partitions_replaces_the_files_but_not_a_topics_own() -> None:
    assert [topic.partitions for topic in parse(GOOD, "t.yaml", 12)] == [12, 1]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "    key: order id\n    writers: [any]",
            "    writers: [any]",
            "topics.a.key: the key is missing; add `key:`",
        ),
        (
            "cleanup: delete",
            "cleanup: rinse",
            "topics.a.cleanup: `rinse` is not a known value; use one of: compact",
        ),
        ("retention: 7d", "retention: 7", "topics.a.retention: write hours or days, e.g. 7d"),
        ("    retention: 7d\n", "", "topics.a: `retention` goes with `cleanup: delete`"),
        ("cleanup: compact", "cleanup: compact\n    retention: 7d", "topics.b: `retention` goes with"),
        ("    partitions: 1", "    retention_bytes: 9", "topics.b: `retention_bytes` goes with `retention`"),
        ("writers: [pull]", "writers: [push]", "topics.b.writers[0]: `push` is not a known value; use one of: any"),
        (
            "meaning: Something.",
            "meaning: Something.\n    colour: red",
            "topics.a.colour: unknown key; use one of: bytes_max, cleanup",
        ),
        ("  b:", "  B:", "topics.B.[key]: string should match pattern"),
        ("  b:", "  a:", "topics.a: the key is there twice; keep one of them"),
        ("partitions: 4", "partitions: 0", "partitions: input should be greater than or equal to 1"),
        ("partitions: 4", "partition: 4", "partition: unknown key; did you mean `partitions`?"),
        ("topics:", "topics: [", "t.yaml: line 5, column 10: not YAML"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_path(old: str, new: str, problem: str) -> None:
    assert old in GOOD
    with pytest.raises(TopicError) as caught:
        parse(GOOD.replace(old, new, 1), "t.yaml")
    assert problem in str(caught.value)
    assert str(caught.value).startswith("t.yaml: ")


@pytest.mark.parametrize(
    ("text", "problem"),
    [("", "the file is empty"), ("[]", "not a mapping of keys to values"), ("a", "not a mapping of keys to values")],
)
def test_a_file_that_is_no_mapping_is_refused(text: str, problem: str) -> None:
    with pytest.raises(TopicError, match=rf"t\.yaml: \(file\): {problem}"):
        parse(text, "t.yaml")


def test_inputs_of_a_role_have_the_same_partitions() -> None:
    assert {topic.partitions for topic in TOPICS.values() if topic.key.startswith("order id")} == {4}


def test_no_producer_chooses_the_time_by_which_retention_goes() -> None:
    assert {topic.configs["message.timestamp.type"] for topic in TOPICS.values()} == {"LogAppendTime"}


@pytest.mark.parametrize(("replication", "in_sync"), [(1, "1"), (2, "2"), (3, "2"), (5, "3")])
def test_a_majority_of_the_replicas_must_have_a_record_before_its_producer_hears_of_it(
    replication: int, in_sync: str
) -> None:
    assert {topic.configs["min.insync.replicas"] for topic in topics.load(replication=replication)} == {in_sync}


def test_without_a_setting_the_cluster_chooses_replicas() -> None:
    assert not any(topic.replication or "min.insync.replicas" in topic.configs for topic in TOPICS.values())


def test_topics_have_one_writer_besides_producers() -> None:
    shared = {name for name, topic in TOPICS.items() if "any" not in topic.writers and len(topic.writers) > 1}
    assert shared == set()


def test_ledgers_and_change_topics_are_compacted() -> None:
    compacted = {name for name, topic in TOPICS.items() if "compact" in topic.cleanup}
    assert compacted == {name for name in TOPICS if name.endswith("-ledger") or name.startswith("dualwrite.")} | {
        "dead-letter",
        "order-keys",
    }


def test_dead_letters_alone_are_removed_by_age_and_size_as_well() -> None:
    """A ledger and a change topic must keep the last record of each key for ever."""
    both = {name: topic for name, topic in TOPICS.items() if topic.cleanup == "compact,delete"}
    assert list(both) == ["dead-letter"]
    configs = both["dead-letter"].configs
    assert (configs["cleanup.policy"], configs["retention.bytes"]) == ("compact,delete", "268435456")
    assert (configs["retention.ms"], configs["segment.bytes"]) == (str(30 * 86_400_000), "67108864")


def test_a_dead_letter_has_room_for_any_record_that_arrives() -> None:
    largest = max(topic.bytes_max or 0 for name, topic in TOPICS.items() if name != "dead-letter")
    assert (TOPICS["dead-letter"].bytes_max or 0) >= 2 * largest


def test_drift_is_a_sentence() -> None:
    assert str(Drift("a", "retention.ms", "1", "2")) == "a: retention.ms is 2, topics.yaml says 1"
    assert str(Drift("a", "replication", "3", "1")) == "a: replication is 1, WAYBILL_REPLICATION asks for 3"
