"""The catalog, topics.yaml and the schemas name the same things."""

from app.domain.event_names import EventName
from app.events.avro_schemas import subject_of
from app.events.catalog import BY_TOPIC, RECORDS, ChangeEvent
from app.events.model import Body, Event
from app.events.sales_order_change import SalesOrderChange
from app.kafka import topics
from tests.events.bodies import PUBLISHED


def test_every_record_type_has_its_topic_and_every_event_topic_its_record_type() -> None:
    assert {spec.topic: spec.name for spec in RECORDS.values()} == {
        topic.name: topic.event for topic in topics.load() if topic.event
    }


def test_every_schema_belongs_to_a_topic_and_every_topic_with_a_schema_has_one() -> None:
    named = {topic.name for topic in topics.load() if topic.schema}
    assert all(topic.schema == topic.name for topic in topics.load() if topic.schema)
    assert {subject_of(name) for name in named} == set(PUBLISHED.by_subject)
    assert named == set(BY_TOPIC)


def test_topics_that_producers_may_write_are_the_intake() -> None:
    intake = {spec.topic for spec in RECORDS.values() if spec.intake}
    assert intake == {topic.name for topic in topics.load() if "any" in topic.writers and topic.schema}


def test_every_body_travels_on_some_topic() -> None:
    assert {spec.body for spec in RECORDS.values()} == {*Body.__args__, SalesOrderChange}


def test_each_record_type_has_a_name_and_a_topic_of_its_own() -> None:
    assert set(RECORDS) <= set(EventName)
    assert len(BY_TOPIC) == len(RECORDS)


def test_a_change_event_has_the_fields_of_an_event() -> None:
    assert ChangeEvent.__struct_fields__ == Event.__struct_fields__
