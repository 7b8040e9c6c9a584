#!/bin/bash
# Publish an order as JSON, and follow it to its end with kcat: ./follow_order.sh ORDER_ID
#
# Values are Avro, which not every kcat reads. Keys and headers say enough here: what happened to which order. A kcat
# that was built with Avro shows the values, too: kcat -C -t order-status -s value=avro -r http://127.0.0.1:6066
# Ends with 0 when the order is invoiced, which completes it.
set -euo pipefail

order_id=$1
servers=${KAFKA_BOOTSTRAP_SERVERS:-127.0.0.1:9092}

# Whoever may send an order twice gives it an id of its own: the same ce_id is applied once.
tr -d '\n' <<JSON | kcat -P -b "$servers" -t order-created -k "$order_id" \
    -H content-type=application/json -H "ce_id=created-$order_id"
{"order_id": "$order_id", "channel": "webshop", "customer": "C-1007",
 "placed_at": "2026-01-31T09:30:00Z", "currency": "USD",
 "ship_to": {"name": "Contoso Retail Seattle", "street": "456 Fabrikam St", "city": "Seattle",
             "region": "WA", "postal_code": "98101", "country": "US"},
 "lines": [{"sku": "D0001", "name": "Mid-range speaker", "quantity": 2, "unit_price": "129.9900"}]}
JSON

# librdkafka reads committed records alone unless it is told otherwise: each event once.
exec 3< <(exec kcat -b "$servers" -G "follow-$order_id" -X auto.offset.reset=earliest -q -u -f '%k\t%h\n' \
    order-validated order-assigned order-picked order-shipped order-invoiced order-held order-rejected)
kcat=$!
trap 'kill $kcat' EXIT

while IFS=$'\t' read -r key headers <&3; do
    [ "$key" = "$order_id" ] || continue
    event=$(sed -n 's/.*ce_type=\([^,]*\).*/\1/p' <<<"$headers")
    time=$(sed -n 's/.*ce_time=[^T]*T\([0-9:]*\).*/\1/p' <<<"$headers")
    echo "$time $event"
    case $event in
    "order invoiced") exit 0 ;;
    "order held" | "order rejected") exit 1 ;;
    esac
done
exit 1
