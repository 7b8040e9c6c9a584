import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Publish an order as JSON, and follow it to its end: mvn -q compile exec:java -Dexec.args=ORDER_ID
 *
 * <p>Ends with 0 when the order is completed.
 */
public final class FollowOrder {
    private static final String SERVERS = setting("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092");
    /** The web port of any worker answers what a schema registry is asked. */
    private static final String REGISTRY = setting("SCHEMA_REGISTRY_URL", "http://127.0.0.1:6066");
    private static final Set<String> LAST = Set.of("Completed", "Canceled", "On Hold");
    private static final HttpClient HTTP = HttpClient.newHttpClient();
    private static final Map<Integer, Schema> SCHEMAS = new HashMap<>();

    public static void main(String[] arguments) throws Exception {
        String orderId = arguments[0];
        publish(orderId);
        System.exit(follow(orderId).equals("Completed") ? 0 : 1);
    }

    private static void publish(String orderId) throws Exception {
        String order = """
            {"order_id": "%s", "channel": "webshop", "customer": "C-1007",
             "placed_at": "2026-01-31T09:30:00Z", "currency": "USD",
             "ship_to": {"name": "Contoso Retail Seattle", "street": "456 Fabrikam St", "city": "Seattle",
                         "region": "WA", "postal_code": "98101", "country": "US"},
             "lines": [{"sku": "D0001", "name": "Mid-range speaker", "quantity": 2, "unit_price": "129.9900"}]}
            """.formatted(orderId);
        ProducerRecord<String, String> record = new ProducerRecord<>("order-created", orderId, order);
        record.headers().add("content-type", "application/json".getBytes(StandardCharsets.UTF_8));
        // Whoever may send an order twice gives it an id of its own: the same ce_id is applied once.
        record.headers().add("ce_id", ("created-" + orderId).getBytes(StandardCharsets.UTF_8));
        Map<String, Object> settings = Map.of("bootstrap.servers", SERVERS);
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            producer.send(record).get();
        }
    }

    /** Print each status of the order until there is a last one, and return its state. */
    private static String follow(String orderId) throws Exception {
        Map<String, Object> settings = Map.of(
            "bootstrap.servers", SERVERS,
            "group.id", "follow-" + orderId,
            "auto.offset.reset", "earliest",
            "isolation.level", "read_committed"); // each status once
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of("order-status"));
            while (true) {
                for (var record : consumer.poll(Duration.ofSeconds(1))) {
                    if (!orderId.equals(record.key())) {
                        continue;
                    }
                    GenericRecord status = decode(record.value());
                    String state = status.get("state").toString();
                    System.out.printf(
                        "%s %s: %s / %s%n",
                        Instant.ofEpochMilli((Long) status.get("occurred_at")).toString().substring(11, 19),
                        status.get("event"), state, status.get("reason"));
                    if (LAST.contains(state)) {
                        return state;
                    }
                }
            }
        }
    }

    /** Read Confluent's framing: a zero byte, four bytes of schema id, Avro. */
    private static GenericRecord decode(byte[] value) throws Exception {
        int id = ByteBuffer.wrap(value).getInt(1);
        if (!SCHEMAS.containsKey(id)) {
            SCHEMAS.put(id, schema(id));
        }
        var reader = new GenericDatumReader<GenericRecord>(SCHEMAS.get(id));
        return reader.read(null, DecoderFactory.get().binaryDecoder(value, 5, value.length - 5, null));
    }

    private static Schema schema(int id) throws IOException, InterruptedException {
        HttpRequest request = HttpRequest.newBuilder(URI.create(REGISTRY + "/schemas/ids/" + id)).build();
        String answer = HTTP.send(request, BodyHandlers.ofString()).body();
        return new Schema.Parser().parse(new ObjectMapper().readTree(answer).get("schema").asText());
    }

    private static String setting(String name, String fallback) {
        String value = System.getenv(name);
        return value == null || value.isEmpty() ? fallback : value;
    }
}
