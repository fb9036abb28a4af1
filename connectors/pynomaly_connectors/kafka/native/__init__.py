"""librdkafka's batch call without a Python object for each message."""
