// Publish an order as JSON, and follow it to its end: go run . ORDER_ID
//
// Ends with 0 when the order is completed.
package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/hamba/avro/v2"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
)

// Status is what this program wants of a record of order-status; other fields are passed over.
type Status struct {
	Event      string     `avro:"event"`
	State      string     `avro:"state"`
	Reason     string     `avro:"reason"`
	OccurredAt *time.Time `avro:"occurred_at"`
}

func main() {
	ctx, orderID := context.Background(), os.Args[1]
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(setting("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092"), ",")...),
		kgo.ConsumerGroup("follow-"+orderID),
		kgo.ConsumeTopics("order-status"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), // each status once
	)
	check(err)
	defer client.Close()
	// The web port of any worker answers what a schema registry is asked.
	registry, err := sr.NewClient(sr.URLs(setting("SCHEMA_REGISTRY_URL", "http://127.0.0.1:6066")))
	check(err)

	check(client.ProduceSync(ctx, order(orderID)).FirstErr())
	state := follow(ctx, client, registry, orderID)
	if state != "Completed" {
		client.Close()
		os.Exit(1)
	}
}

func order(orderID string) *kgo.Record {
	value, err := json.Marshal(map[string]any{
		"order_id":  orderID,
		"channel":   "webshop",
		"customer":  "C-1007",
		"placed_at": "2026-01-31T09:30:00Z",
		"currency":  "USD",
		"ship_to": map[string]any{
			"name": "Contoso Retail Seattle", "street": "456 Fabrikam St", "city": "Seattle",
			"region": "WA", "postal_code": "98101", "country": "US",
		},
		"lines": []map[string]any{
			{"sku": "D0001", "name": "Mid-range speaker", "quantity": 2, "unit_price": "129.9900"},
		},
	})
	check(err)
	return &kgo.Record{
		Topic: "order-created",
		Key:   []byte(orderID),
		Value: value,
		Headers: []kgo.RecordHeader{
			{Key: "content-type", Value: []byte("application/json")},
			// Whoever may send an order twice gives it an id of its own: the same ce_id is applied once.
			{Key: "ce_id", Value: []byte("created-" + orderID)},
		},
	}
}

// follow prints each status of the order until there is a last one, and returns its state.
func follow(ctx context.Context, client *kgo.Client, registry *sr.Client, orderID string) string {
	schemas := map[uint32]avro.Schema{}
	for {
		fetches := client.PollFetches(ctx)
		check(fetches.Err())
		for _, record := range fetches.Records() {
			if string(record.Key) != orderID {
				continue
			}
			status := decode(ctx, registry, schemas, record.Value)
			fmt.Printf("%s %s: %s / %s\n", status.OccurredAt.UTC().Format(time.TimeOnly), status.Event, status.State, status.Reason)
			switch status.State {
			case "Completed", "Canceled", "On Hold":
				return status.State
			}
		}
	}
}

// decode reads Confluent's framing: a zero byte, four bytes of schema id, Avro.
func decode(ctx context.Context, registry *sr.Client, schemas map[uint32]avro.Schema, value []byte) Status {
	id := binary.BigEndian.Uint32(value[1:5])
	if schemas[id] == nil {
		published, err := registry.SchemaByID(ctx, int(id))
		check(err)
		schemas[id], err = avro.Parse(published.Schema)
		check(err)
	}
	var status Status
	check(avro.Unmarshal(schemas[id], value[5:], &status))
	return status
}

func setting(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
