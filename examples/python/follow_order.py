"""Publish an order as JSON, and follow it to its end: python follow_order.py ORDER_ID

Needs `pip install confluent-kafka[avro,schemaregistry]`. Ends with 0 when the order is completed.
"""

import json
import os
import sys

from confluent_kafka import DeserializingConsumer, Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import StringDeserializer

SERVERS = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092")
# The web port of any worker answers what a schema registry is asked.
REGISTRY = os.environ.get("SCHEMA_REGISTRY_URL", "http://127.0.0.1:6066")


def publish(order_id: str) -> None:
    """Send the order, and return when it is stored."""
    order = {
        "order_id": order_id,
        "channel": "webshop",
        "customer": "C-1007",
        "placed_at": "2026-01-31T09:30:00Z",
        "currency": "USD",
        "ship_to": {
            "name": "Contoso Retail Seattle",
            "street": "456 Fabrikam St",
            "city": "Seattle",
            "region": "WA",
            "postal_code": "98101",
            "country": "US",
        },
        "lines": [{"sku": "D0001", "name": "Mid-range speaker", "quantity": 2, "unit_price": "129.9900"}],
    }
    # Whoever may send an order twice gives it an id of its own: the same ce_id is applied once.
    headers = [("content-type", b"application/json"), ("ce_id", f"created-{order_id}".encode())]
    producer = Producer({"bootstrap.servers": SERVERS, "enable.idempotence": True})
    producer.produce("order-created", json.dumps(order).encode(), key=order_id.encode(), headers=headers)
    producer.flush()


def follow(order_id: str) -> bool:
    """Print each status of the order until there is a last one. Return whether it is completed."""
    consumer = DeserializingConsumer(
        {
            "bootstrap.servers": SERVERS,
            "group.id": f"follow-{order_id}",
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",  # each status once
            "key.deserializer": StringDeserializer(),
            "value.deserializer": AvroDeserializer(SchemaRegistryClient({"url": REGISTRY})),
        }
    )
    consumer.subscribe(["order-status"])
    try:
        while True:
            record = consumer.poll(1.0)
            if record is None or record.key() != order_id:
                continue
            status = record.value()
            time = status["occurred_at"].strftime("%H:%M:%S")
            print(f"{time} {status['event']}: {status['state']} / {status['reason']}", flush=True)
            if status["state"] in ("Completed", "Canceled", "On Hold"):
                return status["state"] == "Completed"
    finally:
        consumer.close()


if __name__ == "__main__":
    publish(sys.argv[1])
    sys.exit(0 if follow(sys.argv[1]) else 1)
