import type { DomainErrorCode } from '../errors.ts'

/** How to fix each DomainError; docs/errors.md has the same. */
export const mends: Record<DomainErrorCode, string> = {
  config_invalid: 'Correct the settings that the message names; reference (config/reference.md).',
  storage_unavailable:
    'Check that the storage runs, accepts writes and has free disk space; check `DATABASE_URL`, `REDIS_URL` and the network. `/readyz` and `doctor` say which one fails.',
  overloaded:
    'If rare: nothing. If frequent (the counter `request_shed`): find what is slow (`keyturn_db_statement_duration_seconds`), then add nodes or workers.',
  storage_newer: 'Start the newer version, or restore a backup from before the upgrade.',
  storage_locked:
    'Stop the other process, choose another `DATA_DIR`, or share a Postgres server with `DATABASE_URL`.',
  deny_list_stale:
    'Check the connection from this process to Postgres (`could not read changes from Postgres` in its log). Once that works, the process recovers within a second.',
  signing_keys_stale:
    'Check the connection from this process to Postgres (`could not read changes from Postgres` in its log). Once that works, the process recovers within a second.',
  signing_key_pending:
    'Wait; `keys list` says until when. Next time publish the key in advance with `keys rotate --alg`; keys (docs/signing-keys.md).',
  signing_key_ended:
    'After a revocation: nothing. At other times it means that requests take longer than a minute.',
  signing_unavailable:
    'The log says what is wrong. Check the token, `PKCS11_MODULE`, `PKCS11_TOKEN_LABEL` and `PKCS11_PIN`; tokens (docs/pkcs11.md). The server reconnects to a token that becomes available again; after a refused PIN, restart the process.',
  signing_key_not_found: 'Look it up with `keys list`; check `--tenant`.',
  migrations_pending: 'Run `npm run keyturn -- migrate`, then start.',
  key_encryption_key_invalid:
    'Restore the key from your copy, or add it to `KEY_ENCRYPTION_KEY_PREVIOUS`; how it is rotated (docs/key-encryption-key.md). Nothing was changed.',
  key_encryption_key_retired:
    'Give the process the key that the log names as `KEY_ENCRYPTION_KEY`, and restart it; how it is rotated (docs/key-encryption-key.md).',
  client_invalid: 'Correct the members that the message names; apply file (docs/apply-file.md).',
  client_not_found: 'Look it up with `clients list`; check `--tenant`.',
  client_metadata_invalid:
    'Correct the members that the message names; registration (docs/clients.md).',
  redirect_uri_invalid: 'Correct the URI that the message names; registration (docs/clients.md).',
  registration_token_invalid:
    'To register: create an initial access token with `registration tokens create`. If a client lost its registration access token, an operator has to manage or delete it.',
  registration_full:
    'Wait until they expire; if they are legitimate, raise `most_unused` or `most_unused_per_network` in the apply file (docs/apply-file.md).',
  client_document_invalid:
    'The publisher of the document has to correct what the reason names; metadata documents (docs/clients.md).',
  client_document_unavailable:
    'Wait; if it persists, check the host of the document and the network path to it: outgoing requests (docs/outgoing.md).',
  client_keys_unavailable:
    'Check the host of the client’s `jwks_uri` and the network path to it: outgoing requests (docs/outgoing.md).',
  software_statement_invalid:
    'The client needs a new statement from its issuer. If all statements of an issuer fail, compare its keys and algorithms in the apply file (docs/apply-file.md).',
  software_statement_unapproved:
    'If you trust that issuer, add it to `software_statements` in the apply file (docs/apply-file.md).',
  issuer_keys_unavailable:
    'Check the host of the `jwks_uri` in the policy and the network path to it: outgoing requests (docs/outgoing.md).',
  resource_server_invalid:
    'Correct the members that the message names; apply file (docs/apply-file.md).',
  account_exists: 'Choose another address or user name, or change that account.',
  account_not_found: 'Look it up with `accounts list`; check `--tenant`.',
  last_operator:
    'Make somebody else an operator first: `roles` in an apply file (docs/apply-file.md).',
  password_policy: 'Choose another password; the rules (docs/passwords.md).',
  credentials_invalid:
    'A single one: nothing. Many: look for password guessing in the log (`sign-in refused`, `ip`).',
  one_time_password_expired: 'Create a new one with `accounts reset`.',
  action_token_invalid: 'Request a new link; mail (docs/mail.md).',
  sign_up_closed: 'Set `sign_up` to `invitation` or `open`; apply file (docs/apply-file.md).',
  mail_off: 'Set `SMTP_URL`; mail (docs/mail.md).',
  email_invalid: 'Nothing: the form shows it to the user.',
  hash_queue_full:
    'If it persists: run more processes, or raise `HASH_CONCURRENCY` if there are spare cores.',
  too_many_requests:
    'Wait as long as `Retry-After` says; the limits (docs/security.md). If legitimate callers are affected, all requests may appear to come from one address: set `TRUST_PROXY`.',
  csrf_failed:
    'Usually an old page: reload it. If everybody is affected: `ISSUER` differs from the address in the browser.',
  not_found:
    'Compare the address, including the tenant in the path, with discovery. Behind a proxy, check that it passes paths on unchanged.',
  method_not_allowed: 'Use a method that `Allow` lists.',
  body_too_large: 'Send a smaller body, or raise `BODY_LIMIT`.',
  too_many_parameters: 'Send at most 200 parameters, and each field of a form once.',
  parameter_malformed:
    'Correct the request; the log has the reason. For a cursor: start again at the first page.',
  apply_invalid: 'Correct the places that the message names; apply file (docs/apply-file.md).',
  interaction_not_found:
    'Start again at the application. If it happens to everybody, browsers do not send the cookies back (check `ISSUER` and the proxy), or Redis loses data.',
  session_changed: 'Start again.',
  token_missing:
    'Send `Authorization: Bearer` or `DPoP` with an access token; how to get one (docs/admin-api.md).',
  token_invalid:
    'Get an access token for the resource `ISSUER/admin/v1`; if it is bound to a key or certificate, prove that too.',
  scope_insufficient:
    'Request that scope, or omit `scope` to get every scope that the client may have.',
  audience_foreign: 'Name the client in `introspection_clients` of that resource server.',
  permission_denied: 'Ask an owner for a role; who may do what (docs/admin-api.md).',
  subject_protected: 'Let an owner, or somebody who has all of those roles, do it.',
  request_invalid: 'Correct what `errors` of the response names.',
  media_type_unsupported: 'Send `Content-Type: application/json`.',
  already_exists: 'Change the existing object, or choose another name.',
  precondition_required: 'Send the `ETag` that you have read, or `*` for any version.',
  precondition_failed: 'Read the object again, then repeat the change if it still applies.',
  idempotency_key_reused: 'Use a new key for each new request.',
  idempotency_key_in_use: 'Repeat the request after `Retry-After`, with the same key.',
  subject_unknown: 'Look it up with `accounts list` or `clients list`.',
  role_not_found: 'Look it up with `roles list`.',
  last_owner:
    'Make somebody else an owner first. On the server itself, a command with `--force` overrides this.',
  bootstrap_done: '`roles list` shows the owners; `roles grant` adds one.',
  built_in: 'Choose another identifier.',
  internal: 'Look up the id in the log, and report the fault.',
}
