"""docs/debezium.md says what the code takes: its tables, its settings and its records are read here as they stand."""

import json
import re
from typing import Any

import pytest

from app.errors import RecordError
from app.events import codec
from app.events.connector_row import MANUAL
from app.events.dualwrite_rows import RowIn, RowLineIn
from app.events.record import Record
from app.events.sales_order_change import SalesOrderChange
from app.kafka import topics
from app.resources import read_text
from tests.events.connector import LINES, envelope, text

CODEC = codec.load()
TOPIC = "dualwrite.fno.salesorders"
PAGE = read_text(MANUAL)
TABLE, TRIGGERS, ROLE, OUTBOX = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
CONNECTOR, RECORD, ROUTER = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
SAMPLES = {"text": "x", "date": "2026-11-30Z", "timestamptz": "2026-11-24T20:00:00.000000Z", "numeric": "1.5000"}
COLUMNS = dict(re.findall(r"^  ([a-z_]+) +(text|date|timestamptz|numeric|jsonb)\b", TABLE, re.MULTILINE))


def decoded(key: bytes, document: Any) -> SalesOrderChange:
    event = CODEC.decode_change(Record(TOPIC, 0, 0, 5, key, text(document), ()))
    assert event is not None
    return event.body


def sample() -> dict[str, Any]:
    row = {name: SAMPLES.get(kind, LINES) for name, kind in COLUMNS.items()}
    return row | {"waybill_origin": "fno", "sales_order_processing_status": "Active"}


def fields(model: Any) -> set[str]:
    return {name.lower() for name in model.model_fields}


def test_each_column_is_a_field_of_an_order() -> None:
    assert {name.replace("_", "") for name in COLUMNS} - fields(RowIn) == {"waybillorigin"}
    row = decoded(b'{"data_area_id": "x", "sales_order_number": "x"}', envelope("c", after=sample())).row
    left_out = {name for name, field in RowIn.model_fields.items() if getattr(row, name) in (field.default, ())}
    assert left_out == {"SalesOrderStatus", "IsSalesProcessingStopped", "isReadyToSync"}


@pytest.mark.parametrize("column", sorted(COLUMNS))
def test_the_columns_that_may_be_null_are_those_that_need_not_be_there(column: str) -> None:
    needed = re.search(rf"^  {column} .*NOT NULL", TABLE, re.MULTILINE) is not None
    row = {name: value for name, value in sample().items() if name != column}
    if needed and column != "waybill_origin":
        with pytest.raises(RecordError):
            decoded(b"{}", envelope("c", after=row))
    else:
        assert decoded(b"{}", envelope("c", after=row)).row.Lines


def test_the_trigger_writes_each_column_that_it_names_and_lines_that_are_lines() -> None:
    names = re.search(r"AS shown \((.*?)\)", TRIGGERS, re.DOTALL)
    assert names is not None
    written = {name.strip() for name in names[1].split(",")}
    assert written <= COLUMNS.keys()
    updated = set(re.findall(r"([a-z_]+) = excluded\.\1", TRIGGERS))
    assert written - updated == {"data_area_id", "sales_order_number"}
    assert {name.lower() for name in re.findall(r"'([A-Za-z]+)', l\.", TRIGGERS)} == fields(RowLineIn) - {
        "externalitemnumber"
    }


def test_the_connector_reads_that_table_and_routes_it_to_the_topic() -> None:
    config = CONNECTOR["config"]
    table = config["table.include.list"]
    assert f"CREATE TABLE {table.removeprefix('public.')} (" in TABLE
    assert table.removeprefix("public.") in ROLE
    routed = re.sub(config["transforms.route.regex"], config["transforms.route.replacement"], f"fno.{table}")
    assert config["topic.prefix"] == "fno"
    assert routed == TOPIC
    assert TOPIC in {topic.name for topic in topics.load()}


def test_the_outbox_is_routed_to_the_topic_and_its_record_is_one() -> None:
    table = ROUTER["table.include.list"].removeprefix("public.")
    assert f"CREATE TABLE {table} (" in OUTBOX
    assert {"aggregatetype", "aggregateid", "payload"} <= set(re.findall(r"^  ([a-z]+) ", OUTBOX, re.MULTILINE))
    assert ROUTER["transforms.outbox.route.topic.replacement"] == TOPIC
    change = decoded(b"fno-usmf-000009", RECORD)
    assert (change.source.origin, change.source.version, len(change.row.Lines)) == ("fno", 7, 1)


def test_everything_that_a_dead_letter_points_to_is_on_the_page() -> None:
    for text_of_it in ("REPLICA IDENTITY FULL", "add.fields=op,source.sequence,source.ts_ms,table", "waybill_version"):
        assert text_of_it in PAGE
