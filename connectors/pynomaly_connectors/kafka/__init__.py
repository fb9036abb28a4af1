"""Apache Kafka through librdkafka."""
