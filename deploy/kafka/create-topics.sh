#!/bin/bash
# Create the topics of the demo in docker-compose.yml, which runs it in Kafka's own image, where there is no pynomaly.
# Elsewhere `pynomaly topics create FLOW` makes all topics that a flow needs, with the settings that it needs.
#
#   KAFKA_BOOTSTRAP=… KAFKA_INPUT_TOPIC=… KAFKA_ALERT_TOPIC=… [KAFKA_DEAD_LETTER_TOPIC=…] create-topics.sh
#
# Optional: INPUT_PARTITIONS (4), REPLICATION_FACTOR (1; 3 in production), MIN_INSYNC_REPLICAS (1; 2 in production),
#           COMMAND_CONFIG (a client properties file, for TLS and SASL).
# Kafka's tools are taken from PATH, else from where Kafka's own image has them.
set -euo pipefail
PATH=$PATH:/opt/kafka/bin

: "${KAFKA_BOOTSTRAP:?must be host:port of the cluster}"
: "${KAFKA_INPUT_TOPIC:?must be the topic that the flow reads}"
: "${KAFKA_ALERT_TOPIC:?must be the topic that alerts go to}"

readonly day_ms=86400000

create() {
  local topic=$1 partitions=$2 retention_ms=$3
  kafka-topics.sh --bootstrap-server "$KAFKA_BOOTSTRAP" ${COMMAND_CONFIG:+--command-config "$COMMAND_CONFIG"} \
    --create --if-not-exists --topic "$topic" \
    --partitions "$partitions" --replication-factor "${REPLICATION_FACTOR:-1}" \
    --config cleanup.policy=delete --config "retention.ms=$retention_ms" \
    --config "min.insync.replicas=${MIN_INSYNC_REPLICAS:-1}" --config message.timestamp.type=CreateTime
}

# A partition is the unit of order, state and replay: choose their number once, adding some later moves series.
create "$KAFKA_INPUT_TOPIC" "${INPUT_PARTITIONS:-4}" $((7 * day_ms))
# One partition keeps all alerts in one order. Not compacted: the key is the series, so compaction would keep only the
# latest alert of each.
create "$KAFKA_ALERT_TOPIC" 1 $((90 * day_ms))
if [[ -n ${KAFKA_DEAD_LETTER_TOPIC:-} ]]; then
  create "$KAFKA_DEAD_LETTER_TOPIC" 1 $((30 * day_ms))
fi
