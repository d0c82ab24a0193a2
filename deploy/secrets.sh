#!/bin/sh
# Makes what compose.yaml needs and nobody should choose: passwords, tokens, certificates. Keeps what is there.
#
#   secrets.sh BROKER_NAME...     every name and address under which gateways reach the broker
#   secrets.sh refresh            after certificates.sh: gives the broker the new files
#
# Everything stands in the folder secrets (mode 700: only its owner enters). The files inside are readable, because
# each container reads the ones mounted into it under a user of its own.
set -eu
umask 022

here=$(cd "$(dirname "$0")" && pwd)
secrets=$here/secrets
pki=${COMMONWATT_PKI:-$here/pki}
export COMMONWATT_PKI="$pki"

random() {
    [ -s "$secrets/$1" ] || openssl rand -hex 32 | tr -d '\n' >"$secrets/$1"
}

give() {
    # Into the same file: a mounted file stays the one it was when the container started.
    cat "$pki/$1" >"$secrets/$2"
}

refresh() {
    for file in ca.crt ca.crl server.crt server.key; do give "$file" "broker/$file"; done
    for file in ca.crt centre.crt centre.key; do give "$file" "$file"; done
}

if [ $# -eq 0 ]; then
    sed -n '4,5s/^# *//p' "$0" >&2
    exit 2
fi
mkdir -p "$secrets/broker"
chmod 700 "$secrets"
if [ "$1" != refresh ]; then
    for name in influxdb_password influxdb_token influxdb_grafana_password grafana_admin_password; do random "$name"; done
    [ -f "$pki/ca.key" ] || "$here/certificates.sh" init
    [ -f "$pki/server.key" ] || "$here/certificates.sh" server "$@" mosquitto localhost
    [ -f "$pki/centre.key" ] || "$here/certificates.sh" centre
fi
refresh
echo "secrets are in $secrets; Grafana's admin password is in grafana_admin_password"
