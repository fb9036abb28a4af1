"""The plain program that a user would write: confluent_kafka, orjson and one River scorer a series.

    python river_loop.py BOOTSTRAP TOPIC ALERT_TOPIC STATE

Reads every partition to the end that it has at the start, writes an alert for each improbable record, keeps no state
and checks no delivery.
"""

from __future__ import annotations

import sys

import orjson
from confluent_kafka import Consumer, Producer, TopicPartition
from input_end import FAST_READING, input_ends
from river.anomaly import GaussianScorer

_IMPROBABLE = 0.9995  # the evidence from which our flow alerts: a severity of 3.3


def main(bootstrap: str, topic: str, alert_topic: str, _state: str) -> None:
    """Run to the end of the input."""
    ends = input_ends(bootstrap, topic)
    settings = {"bootstrap.servers": bootstrap, "group.id": "river-loop", "enable.auto.commit": False}
    consumer, producer = Consumer(settings | FAST_READING), Producer({"bootstrap.servers": bootstrap})
    consumer.assign([TopicPartition(topic, number, 0) for number in ends])
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
