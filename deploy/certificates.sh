#!/bin/sh
# The community's own certificate authority: one certificate for the broker, one for the centre, one per gateway.
#
#   certificates.sh init                    authority and an empty revocation list
#   certificates.sh server NAME|IP...       the broker, by every name and address gateways reach it under
#   certificates.sh centre                  collector and API
#   certificates.sh gateway ID...           gateways; ID is the gateway's id in its configuration
#   certificates.sh revoke ID               takes a gateway's (or the centre's) certificate back
#   certificates.sh list                    who has a certificate, until when
#
# Files stand in $COMMONWATT_PKI (default: pki beside this script). Keep ca.key off the broker's machine if you can.
set -eu
umask 077
LC_ALL=C # a-z means a to z
export LC_ALL

here=$(cd "$(dirname "$0")" && pwd)
pki=${COMMONWATT_PKI:-$here/pki}
leaf_days=${COMMONWATT_CERTIFICATE_DAYS:-825}

fail() {
    echo "certificates.sh: $1" >&2
    echo "  next: $2" >&2
    exit 1
}

usage() {
    sed -n '4,9s/^# *//p' "$0" >&2
    exit 2
}

need_authority() {
    [ -f "$pki/ca.key" ] || fail "there is no authority in $pki" "run: $0 init"
}

check_id() {
    case $1 in
    '' | [!a-z0-9]* | *[!a-z0-9_-]*) fail "'$1' is no gateway id" "use lower case letters, digits, - and _, at most 63" ;;
    live | alerts | centre | ca | server) fail "'$1' is not a name for a gateway" "it has a meaning of its own: choose another" ;;
    esac
    [ ${#1} -le 63 ] || fail "'$1' is too long for a gateway id" "use at most 63 characters"
}

config() {
    cat >"$pki/openssl.cnf" <<EOF
[ca]
default_ca = commonwatt
[commonwatt]
dir = $pki
database = $pki/index.txt
serial = $pki/serial
crlnumber = $pki/crlnumber
new_certs_dir = $pki/issued
certificate = $pki/ca.crt
private_key = $pki/ca.key
default_md = sha256
default_days = $leaf_days
default_crl_days = 3650
unique_subject = no
policy = policy
copy_extensions = copy
[policy]
commonName = supplied
[req]
distinguished_name = name
prompt = no
[name]
commonName = commonwatt
[authority]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
EOF
}

new_key() {
    openssl ecparam -name prime256v1 -genkey -noout -out "$1"
}

revocation_list() {
    # Written beside and moved, so that a broker told to read it never finds half of it.
    openssl ca -batch -config "$pki/openssl.cnf" -gencrl -out "$pki/ca.crl.new" 2>/dev/null
    chmod 644 "$pki/ca.crl.new"
    mv "$pki/ca.crl.new" "$pki/ca.crl"
}

init() {
    [ ! -e "$pki/ca.key" ] || fail "there is already an authority in $pki" "keep it: a new one would lock out every gateway"
    mkdir -p "$pki/issued"
    : >"$pki/index.txt"
    openssl rand -hex 16 >"$pki/serial"
    echo 1000 >"$pki/crlnumber"
    config
    new_key "$pki/ca.key"
    openssl req -new -x509 -config "$pki/openssl.cnf" -extensions authority -key "$pki/ca.key" -sha256 -days 7300 \
        -subj "/CN=commonwatt authority $(openssl rand -hex 4)" -out "$pki/ca.crt"
    chmod 644 "$pki/ca.crt"
    revocation_list
    echo "authority: $pki/ca.crt (its key, $pki/ca.key, signs gateways: keep it safe, keep a copy)"
}

# issue FILE COMMON_NAME PROFILE [SUBJECT_ALT_NAME]
issue() {
    need_authority
    config
    [ ! -e "$pki/$1.key" ] || mv "$pki/$1.key" "$pki/$1.key.old"
    new_key "$pki/$1.key"
    if [ -n "${4:-}" ]; then
        openssl req -new -config "$pki/openssl.cnf" -key "$pki/$1.key" -subj "/CN=$2" -addext "subjectAltName=$4" \
            -out "$pki/$1.csr"
    else
        openssl req -new -config "$pki/openssl.cnf" -key "$pki/$1.key" -subj "/CN=$2" -out "$pki/$1.csr"
    fi
    openssl ca -batch -notext -config "$pki/openssl.cnf" -extensions "$3" -in "$pki/$1.csr" -out "$pki/$1.crt" \
        2>"$pki/openssl.log" || { cat "$pki/openssl.log" >&2; fail "openssl did not sign $1" "read its message above"; }
    rm -f "$pki/$1.csr" "$pki/openssl.log"
    chmod 644 "$pki/$1.crt"
    echo "$1: $pki/$1.crt $pki/$1.key ($leaf_days days)"
}

server() {
    [ $# -gt 0 ] || usage
    names=
    for name; do
        case $name in
        *[!0-9.]*)
            case $name in
            *:*) kind=IP ;;
            *) kind=DNS ;;
            esac
            ;;
        *) kind=IP ;;
        esac
        names="$names${names:+,}$kind:$name"
    done
    issue server "$1" server "$names"
}

gateways() {
    [ $# -gt 0 ] || usage
    for id; do check_id "$id"; done
    for id; do issue "$id" "$id" client; done
}

revoke() {
    need_authority
    config
    [ "$1" = centre ] || check_id "$1"
    # Every certificate that still counts for this name: an earlier one may be out there too.
    serials=$(awk -F '\t' -v name="/CN=$1" '$1 == "V" && $6 == name { print $4 }' "$pki/index.txt")
    [ -n "$serials" ] || fail "$1 has no valid certificate" "see: $0 list"
    for serial in $serials; do
        openssl ca -batch -config "$pki/openssl.cnf" -revoke "$pki/issued/$serial.pem" 2>/dev/null
    done
    revocation_list
    echo "revoked $1; give the broker the new $pki/ca.crl and send it SIGHUP"
}

list() {
    need_authority
    awk -F '\t' 'BEGIN { word["V"] = "valid"; word["R"] = "revoked"; word["E"] = "expired" }
        { printf "%-8s until 20%s-%s-%s  %s\n", word[$1], substr($2, 1, 2), substr($2, 3, 2), substr($2, 5, 2), substr($6, 5) }
    ' "$pki/index.txt"
}

[ $# -gt 0 ] || usage
command=$1
shift
case $command in
init) [ $# -eq 0 ] || usage; init ;;
server) server "$@" ;;
centre) [ $# -eq 0 ] || usage; issue centre centre client ;;
gateway) gateways "$@" ;;
revoke) [ $# -eq 1 ] || usage; revoke "$1" ;;
list) list ;;
*) usage ;;
esac
