"""The fastest plain program: confluent_kafka, orjson, a dict of tuples. It keeps nothing and promises nothing.

    python plain_loop.py BOOTSTRAP TOPIC ALERT_TOPIC STATE

Reads every partition to the end that it has at the start.
"""

from __future__ import annotations

import sys

import orjson
from confluent_kafka import Consumer, Producer, TopicPartition
from input_end import FAST_READING, input_ends
from recursion import BAR, NEW, State, step


def main(bootstrap: str, topic: str, alert_topic: str, _state: str) -> None:
    """Run to the end of the input."""
    ends = input_ends(bootstrap, topic)
    settings = {"bootstrap.servers": bootstrap, "group.id": "plain-loop", "enable.auto.commit": False}
    consumer, producer = Consumer(settings | FAST_READING), Producer({"bootstrap.servers": bootstrap})
    consumer.assign([TopicPartition(topic, number, 0) for number in ends])
    missing = sum(ends.values())
    states: dict[str, State] = {}
    while missing > 0:
        messages = consumer.consume(10_000, 1.0)
        missing -= len(messages)
        for message in messages:
            record = orjson.loads(message.value())
            series = record["series"]
            states[series], score = step(states.get(series, NEW), record["value"])
            if score > BAR or score < -BAR:
                producer.produce(alert_topic, orjson.dumps({**record, "score": score}), series)
                producer.poll(0)
    producer.flush()
    consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
