// Publish an order as JSON, and follow it to its end: node follow_order.mjs ORDER_ID (after `npm ci`).
// Ends with 0 when the order is completed.
import { SchemaRegistry } from '@kafkajs/confluent-schema-registry';
import { Kafka, logLevel } from 'kafkajs';

const orderId = process.argv[2];
const kafka = new Kafka({
  brokers: (process.env.KAFKA_BOOTSTRAP_SERVERS ?? '127.0.0.1:9092').split(','),
  logLevel: logLevel.ERROR,
});
// The web port of any worker answers what a schema registry is asked.
const registry = new SchemaRegistry({ host: process.env.SCHEMA_REGISTRY_URL ?? 'http://127.0.0.1:6066' });

const order = {
  order_id: orderId,
  channel: 'webshop',
  customer: 'C-1007',
  placed_at: '2026-01-31T09:30:00Z',
  currency: 'USD',
  ship_to: {
    name: 'Contoso Retail Seattle',
    street: '456 Fabrikam St',
    city: 'Seattle',
    region: 'WA',
    postal_code: '98101',
    country: 'US',
  },
  lines: [{ sku: 'D0001', name: 'Mid-range speaker', quantity: 2, unit_price: '129.9900' }],
};

const producer = kafka.producer({ idempotent: true });
await producer.connect();
// Whoever may send an order twice gives it an id of its own: the same ce_id is applied once.
const headers = { 'content-type': 'application/json', ce_id: `created-${orderId}` };
await producer.send({ topic: 'order-created', messages: [{ key: orderId, value: JSON.stringify(order), headers }] });
await producer.disconnect();

// kafkajs reads committed records alone unless it is told otherwise: each status once.
const consumer = kafka.consumer({ groupId: `follow-${orderId}` });
await consumer.connect();
await consumer.subscribe({ topics: ['order-status'], fromBeginning: true });
const last = await new Promise((resolve, reject) => {
  consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
  consumer.run({
    eachMessage: async ({ message }) => {
      if (message.key?.toString() !== orderId) return;
      const status = await registry.decode(message.value);
      const time = new Date(status.occurred_at).toISOString().slice(11, 19);
      console.log(`${time} ${status.event}: ${status.state} / ${status.reason}`);
      if (['Completed', 'Canceled', 'On Hold'].includes(status.state)) resolve(status.state);
    },
  });
});
await consumer.disconnect();
process.exit(last === 'Completed' ? 0 : 1);
