"""The plain program that a user would write: confluent_kafka, orjson and one River scorer a series.

    python river_loop.py BOOTSTRAP TOPIC ALERT_TOPIC

Reads every partition to the end that it has at the start, writes an alert for each improbable record, keeps no state
and checks no delivery.
"""

from __future__ import annotations

import sys

import orjson
from confluent_kafka import Consumer, Producer, TopicPartition
from river.anomaly import GaussianScorer

_IMPROBABLE = 0.9995  # the evidence from which our flow alerts: a severity of 3.3


def main(bootstrap: str, topic: str, alert_topic: str) -> None:
    """Run to the end of the input."""
    settings = {
        "bootstrap.servers": bootstrap,
        "group.id": "river-loop",
        "enable.auto.commit": False,
        "fetch.queue.backoff.ms": 5,
    }
    consumer, producer = Consumer(settings), Producer({"bootstrap.servers": bootstrap})
    partitions = consumer.list_topics(topic, timeout=20.0).topics[topic].partitions
    ends = {number: consumer.get_watermark_offsets(TopicPartition(topic, number))[1] for number in partitions}
    consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
    missing = sum(ends.values())
    scorers: dict[str, GaussianScorer] = {}
    while missing > 0:
        messages = consumer.consume(10_000, 1.0)
        missing -= len(messages)
        for message in messages:
            record = orjson.loads(message.value())
            series, value = record["series"], record["value"]
            scorer = scorers.get(series)
            if scorer is None:
                scorer = scorers[series] = GaussianScorer()
            score = scorer.score_one(None, value)
            scorer.learn_one(None, value)
            if score > _IMPROBABLE:
                producer.produce(alert_topic, orjson.dumps({**record, "score": score}), series)
                producer.poll(0)
    producer.flush()
    consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
