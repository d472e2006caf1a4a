#!/bin/sh
# Makes the secrets that compose.yaml hands to its services, each in a file of its own in ./secrets. Overwrites nothing.
set -eu
umask 077
cd "$(dirname "$0")"
mkdir secrets
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
for name in lnd-wallet-password postgres-password admin-token webhook-secret; do
  random >"secrets/$name"
done
printf 'postgres://coordinator:%s@postgres:5432/coordinator' "$(cat secrets/postgres-password)" >secrets/database-url
# The services run as this user.
if [ "$(id -u)" = 0 ]; then chown -R 1000:1000 secrets; fi
