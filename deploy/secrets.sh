#!/bin/sh
# Makes the secrets of compose.yaml, once, in deploy/secrets; what is there stays. Keep a copy of key_encryption_key,
# apart from the backups of the database.
set -eu
cd "$(dirname "$0")"
mkdir -p secrets
chmod 700 secrets
cd secrets
random() { od -An -N "$1" -tx1 /dev/urandom | tr -d ' \n'; }
keep() { [ -s "$1" ] || cat > "$1"; }

random 24 | keep postgres_password
printf 'postgres://keyturn:%s@postgres:5432/keyturn\n' "$(cat postgres_password)" | keep database_url
random 24 | keep redis_password
printf 'requirepass %s\nsave ""\nmaxmemory 256mb\nmaxmemory-policy volatile-ttl\n' "$(cat redis_password)" | keep redis.conf
printf 'redis://:%s@redis:6379\n' "$(cat redis_password)" | keep redis_url
head -c 32 /dev/urandom | base64 | keep key_encryption_key
# Each is mounted alone, where the folder does not guard it: the users of the containers must be able to read it.
chmod 644 -- *
