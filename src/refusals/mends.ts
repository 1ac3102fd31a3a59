import type { DomainErrorCode } from '../errors.ts'

/** What to do about each error of our own, as docs/errors.md has it. */
export const mends: Record<DomainErrorCode, string> = {
  config_invalid: 'Mend the settings that are named; reference (config/reference.md).',
  storage_unavailable:
    'Check that it runs, takes writes and has room on its disk, `DATABASE_URL`, `REDIS_URL` and the network. `/readyz` and `doctor` say which one.',
  overloaded:
    'Rare: none. Often (the count `request_shed`): see what is slow (`keyturn_db_statement_duration_seconds`), then more nodes or workers.',
  storage_newer: 'Start that version, or restore a backup from before the upgrade.',
  storage_locked:
    'Stop it, choose another `DATA_DIR`, or share a Postgres server with `DATABASE_URL`.',
  deny_list_stale:
    'Check the way from this process to Postgres (`changes not heard of` in its log). It mends itself within a second.',
  signing_keys_stale:
    'Check the way from this process to Postgres (`changes not heard of` in its log). It mends itself within a second.',
  signing_key_pending:
    'Wait; `keys list` says until when. Next time publish the key ahead: `keys rotate --alg`; keys (docs/signing-keys.md).',
  signing_key_ended:
    'Nothing after a revocation. If it comes at other times, requests take longer than a minute.',
  signing_unavailable:
    'The log says which. Check the token, `PKCS11_MODULE`, `PKCS11_TOKEN_LABEL` and `PKCS11_PIN`; tokens (docs/pkcs11.md). A token that comes back is used again; after a refused PIN the process must be restarted.',
  signing_key_not_found: '`keys list`; mind `--tenant`.',
  migrations_pending: 'Run `npm run keyturn -- migrate`, then start.',
  key_encryption_key_invalid:
    'Put back the key from your copy, or add it to `KEY_ENCRYPTION_KEY_PREVIOUS`; how it is rotated (docs/key-encryption-key.md). Nothing was changed.',
  key_encryption_key_retired:
    'Give the process the key that the log names as `KEY_ENCRYPTION_KEY`, and restart it; how it is rotated (docs/key-encryption-key.md).',
  client_invalid: 'Mend the members that are named; apply file (docs/apply-file.md).',
  client_not_found: '`clients list`; mind `--tenant`.',
  client_metadata_invalid: 'Mend the members that are named; registration (docs/clients.md).',
  redirect_uri_invalid: 'Mend the address that is named; registration (docs/clients.md).',
  registration_token_invalid:
    '`registration tokens create` makes one for registering. A client that lost its registration access token is deleted or managed by an operator.',
  registration_full:
    'Wait until those expire; if they are honest, raise `most_unused` or `most_unused_per_network` in the apply file (docs/apply-file.md).',
  client_document_invalid:
    'Whoever publishes the document mends what is named; metadata documents (docs/clients.md).',
  client_document_unavailable:
    'Wait; if it lasts, look at the host of the document, and at the way from here to it: outgoing requests (docs/outgoing.md).',
  client_keys_unavailable:
    'Look at the host of the client’s `jwks_uri`, and at the way from here to it: outgoing requests (docs/outgoing.md).',
  software_statement_invalid:
    'The client asks its issuer for another; for all of one issuer, compare its keys and algorithms in the apply file (docs/apply-file.md).',
  software_statement_unapproved:
    'If you trust that issuer, add it to `software_statements` in the apply file (docs/apply-file.md).',
  issuer_keys_unavailable:
    'Look at the host of the `jwks_uri` in the policy, and at the way from here to it: outgoing requests (docs/outgoing.md).',
  resource_server_invalid: 'Mend the members that are named; apply file (docs/apply-file.md).',
  account_exists: 'Choose another, or change that account.',
  account_not_found: '`accounts list`; mind `--tenant`.',
  last_operator:
    'Make somebody else an operator first: `roles` in an apply file (docs/apply-file.md).',
  password_policy: 'Choose another; the rules (docs/passwords.md).',
  credentials_invalid:
    'Nothing for one; for many, look for guessing in the log (`sign-in refused`, `ip`).',
  one_time_password_expired: '`accounts reset` makes another.',
  action_token_invalid: 'Ask for a new one; mail (docs/mail.md).',
  sign_up_closed: 'Set `sign_up` to `invitation` or `open`; apply file (docs/apply-file.md).',
  mail_off: 'Set `SMTP_URL`; mail (docs/mail.md).',
  email_invalid: 'Nothing; the form says so.',
  hash_queue_full: 'If it lasts: more processes, or more `HASH_CONCURRENCY` where there are cores.',
  too_many_requests:
    'Wait for as long as `Retry-After` says; the figures (docs/security.md). If honest callers meet it, everybody may seem to come from one address: set `TRUST_PROXY`.',
  csrf_failed:
    'Usually an old page: open it again. For everybody: `ISSUER` is not the address that people see.',
  not_found:
    'Compare with discovery, the tenant in the path too; behind a proxy, check that paths arrive unchanged.',
  method_not_allowed: 'Send one that `Allow` names.',
  body_too_large: 'Mend the caller.',
  too_many_parameters: 'Mend the caller.',
  parameter_malformed: 'Mend the caller. Of a list: begin at its first page.',
  apply_invalid: 'Mend the places that are named; apply file (docs/apply-file.md).',
  interaction_not_found:
    'Start again at the application. If it happens to everybody: cookies do not come back, so check `ISSUER` and the proxy; or Redis loses data.',
  session_changed: 'Start again.',
  token_missing: 'Get one: admin API (docs/admin-api.md).',
  token_invalid:
    'Get one for the resource `ISSUER/admin/v1`; show the key or the certificate that it is bound to.',
  scope_insufficient: 'Ask for that scope, or for none, which brings all that the client may have.',
  audience_foreign: 'Name the client in `introspection_clients` of that resource server.',
  permission_denied: 'An owner gives roles; who may do what (docs/admin-api.md).',
  subject_protected: 'Somebody who has those roles must do it.',
  request_invalid: 'Mend what is named.',
  media_type_unsupported: 'Send `Content-Type: application/json`.',
  already_exists: 'Change it, or choose another name.',
  precondition_required: 'Send the `ETag` of what you have read; `*` takes whatever there is.',
  precondition_failed: 'Read it again, and decide again.',
  idempotency_key_reused: 'A new key for each new request.',
  idempotency_key_in_use: 'Ask again after `Retry-After`, with the same key.',
  subject_unknown: 'Look at `accounts list` and `clients list`.',
  role_not_found: '`roles list`.',
  last_owner: 'Make another owner first. On the machine itself `--force` does it all the same.',
  bootstrap_done: '`roles list` shows who; `roles grant` makes another.',
  built_in: 'Choose another identifier.',
  internal: 'Look the id up in the log and report it.',
}
