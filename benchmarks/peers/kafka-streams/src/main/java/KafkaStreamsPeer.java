import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * Kafka Streams, exactly once: a processor with an in-memory store, its changelog topic, a commit every ten seconds.
 *
 * <p>Arguments: BOOTSTRAP TOPIC ALERT_TOPIC STATE. Reads as many records as the topic has at the start. The recursion is
 * that of recursion.py.
 */
public final class KafkaStreamsPeer {
    private static final double ALPHA = 0.01;
    private static final int WARM_UP = 50;
    private static final double BAR = 3.63;
    private static final JsonFactory JSON = new JsonFactory();
    private static final CountDownLatch DONE = new CountDownLatch(1);
    private static long missing;

    private KafkaStreamsPeer() {}

    public static void main(String[] arguments) throws Exception {
        String topic = arguments[1];
        Properties settings = new Properties();
        settings.put("bootstrap.servers", arguments[0]);
        settings.put("application.id", "streams-" + arguments[2]);
        settings.put("state.dir", arguments[3]);
        settings.put("processing.guarantee", "exactly_once_v2");
        settings.put("commit.interval.ms", 10_000);
        settings.put("num.stream.threads", 1);
        settings.put("auto.offset.reset", "earliest");
        settings.put("max.poll.records", 10_000);
        settings.put("replication.factor", 1);
        missing = length(settings, topic);
        KafkaStreams streams = new KafkaStreams(topology(topic, arguments[2]), settings);
        streams.start();
        DONE.await();
        streams.close(Duration.ofSeconds(30));
    }

    private static long length(Properties settings, String topic) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", settings.get("bootstrap.servers")))) {
            var partitions = admin.describeTopics(java.util.List.of(topic)).allTopicNames().get().get(topic).partitions();
            var ends = partitions.stream().collect(
                Collectors.toMap(part -> new TopicPartition(topic, part.partition()), part -> OffsetSpec.latest()));
            return admin.listOffsets(ends).all().get().values().stream().mapToLong(found -> found.offset()).sum();
        }
    }

    private static Topology topology(String topic, String alertTopic) {
        var store = Stores.keyValueStoreBuilder(
            Stores.inMemoryKeyValueStore("z"), Serdes.ByteArray(), Serdes.ByteArray()).withCachingEnabled();
        var serialize = new ByteArraySerializer();
        var deserialize = new ByteArrayDeserializer();
        return new Topology()
            .addSource("records", deserialize, deserialize, topic)
            .addProcessor("judge", Judge::new, "records")
            .addStateStore(store, "judge")
            .addSink("alerts", alertTopic, serialize, serialize, "judge");
    }

    /** Judges a record before it learns it. */
    private static final class Judge implements Processor<byte[], byte[], byte[], byte[]> {
        private ProcessorContext<byte[], byte[]> context;
        private KeyValueStore<byte[], byte[]> states;

        @Override
        public void init(ProcessorContext<byte[], byte[]> context) {
            this.context = context;
            this.states = context.getStateStore("z");
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            String series = null;
            double value = Double.NaN;
            try (JsonParser parser = JSON.createParser(record.value())) {
                while (parser.nextToken() != JsonToken.END_OBJECT) {
                    if (parser.currentToken() == JsonToken.VALUE_STRING && "series".equals(parser.currentName())) {
                        series = parser.getText();
                    } else if (parser.currentToken().isNumeric() && "value".equals(parser.currentName())) {
                        value = parser.getDoubleValue();
                    }
                }
            } catch (IOException failure) {
                throw new UncheckedIOException(failure);
            }
            byte[] key = series.getBytes(StandardCharsets.UTF_8);
            byte[] found = states.get(key);
            ByteBuffer state = ByteBuffer.wrap(found == null ? new byte[24] : found);
            long count = state.getLong();
            double mean = state.getDouble();
            double variance = state.getDouble();
            double gap = value - mean;
            double score = count >= WARM_UP && variance > 0.0 ? gap / Math.sqrt(variance) : 0.0;
            double weight = Math.max(ALPHA, 1.0 / (count + 1));
            byte[] next = ByteBuffer.allocate(24).putLong(count + 1).putDouble(mean + weight * gap)
                .putDouble((1.0 - weight) * (variance + weight * gap * gap)).array();
            states.put(key, next);
            if (Math.abs(score) > BAR) {
                String text = new String(record.value(), StandardCharsets.UTF_8);
                String alert = text.substring(0, text.length() - 1) + ",\"score\":" + score + "}";
                context.forward(record.withKey(key).withValue(alert.getBytes(StandardCharsets.UTF_8)));
            }
            if (--missing == 0) {
                context.commit();
                DONE.countDown();
            }
        }
    }
}
