#!/bin/sh
# Run once by InfluxDB's image, right after it set the server up: what InfluxQL and Grafana need.
set -eu

# Quarter-hours, days and months are kept for ever, in a bucket beside the readings'.
quarters="$(influx bucket create --org "$DOCKER_INFLUXDB_INIT_ORG" --name "$DOCKER_INFLUXDB_INIT_BUCKET/quarters" \
    --retention 0 --hide-headers | cut -f 1)"

# InfluxQL speaks of databases and retention policies: the buckets under their own names.
influx v1 dbrp create \
    --org "$DOCKER_INFLUXDB_INIT_ORG" --bucket-id "$DOCKER_INFLUXDB_INIT_BUCKET_ID" \
    --db "$DOCKER_INFLUXDB_INIT_BUCKET" --rp autogen --default
influx v1 dbrp create \
    --org "$DOCKER_INFLUXDB_INIT_ORG" --bucket-id "$quarters" --db "$DOCKER_INFLUXDB_INIT_BUCKET" --rp quarters

# Grafana may read these two buckets and nothing else.
influx v1 auth create \
    --org "$DOCKER_INFLUXDB_INIT_ORG" --read-bucket "$DOCKER_INFLUXDB_INIT_BUCKET_ID" --read-bucket "$quarters" \
    --username grafana --password "$(cat /run/secrets/influxdb_grafana_password)"
