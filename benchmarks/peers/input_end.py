"""Where a topic ends at the start of a peer that reads to its end."""

from __future__ import annotations

from confluent_kafka import Consumer, TopicPartition

#: For every consumer: librdkafka's default of 1,000 ms caps reading a backlog at about 150,000 records a second.
FAST_READING = {"fetch.queue.backoff.ms": 5, "queued.min.messages": 1_000_000}


def input_ends(bootstrap: str, topic: str) -> dict[int, int]:
    """Return the end of each partition."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "ends"})
    try:
        partitions = consumer.list_topics(topic, timeout=20.0).topics[topic].partitions
        return {number: consumer.get_watermark_offsets(TopicPartition(topic, number))[1] for number in partitions}
    finally:
        consumer.close()
