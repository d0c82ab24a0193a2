#!/bin/sh
# Run once by InfluxDB's image, right after it set the server up: what InfluxQL and Grafana need.
set -eu

# InfluxQL speaks of databases: the bucket under its own name.
influx v1 dbrp create \
    --org "$DOCKER_INFLUXDB_INIT_ORG" --bucket-id "$DOCKER_INFLUXDB_INIT_BUCKET_ID" \
    --db "$DOCKER_INFLUXDB_INIT_BUCKET" --rp autogen --default

# Grafana may read this bucket and nothing else.
influx v1 auth create \
    --org "$DOCKER_INFLUXDB_INIT_ORG" --read-bucket "$DOCKER_INFLUXDB_INIT_BUCKET_ID" \
    --username grafana --password "$(cat /run/secrets/influxdb_grafana_password)"
