"""A broker inside the process, with source and sink."""

from pynomaly_connectors.memory.broker import Broker, StoredRecord, broker, reset_brokers
from pynomaly_connectors.memory.sink import MemoryMessageSink
from pynomaly_connectors.memory.source import MemoryRecordSource

__all__ = ["Broker", "MemoryMessageSink", "MemoryRecordSource", "StoredRecord", "broker", "reset_brokers"]
