/**
 * The only list of metrics: meaning, labels, and how the figures of several workers are combined. No label is a tenant,
 * client, account, address or path, as callers choose those: the number of series is bounded (docs/metrics.md).
 */

interface Shape {
  type: 'counter' | 'gauge' | 'histogram'
  help: string
  labels?: readonly string[]
  /** Series that exist with 0 before anything was counted, because an alert or the dashboard queries them. */
  initial?: readonly Readonly<Record<string, string>>[]
  /** For histograms: upper bounds in seconds. */
  buckets?: readonly number[]
  /** For gauges: how the workers' figures are combined. Counters and histograms are summed. */
  across?: 'sum' | 'max' | 'min'
  /** Describes the installation, not the process: only one worker is asked, and all nodes report the same. */
  shared?: true
}

/** Seconds: from answers out of memory to client timeouts. */
const requests = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
/** Seconds: durations of statements and commands. */
const statements = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]
/** Seconds: time in a queue. */
const waits = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]

export const catalogue = {
  keyturn_http_requests_total: {
    type: 'counter',
    help: 'Requests by method, route template and status; "aborted" if the client disconnected before the response. Unreadable requests are "other" at "unmatched".',
    labels: ['method', 'route', 'status'],
  },
  keyturn_http_request_duration_seconds: {
    type: 'histogram',
    help: 'From the request header to the end of the response, by route template; without requests that were refused with 503 on arrival.',
    labels: ['route'],
    buckets: requests,
  },
  keyturn_http_requests_in_flight: {
    type: 'gauge',
    help: 'Requests in progress.',
    across: 'sum',
  },
  keyturn_connections_open: {
    type: 'gauge',
    help: 'Open client connections, including idle ones.',
    across: 'sum',
  },
  keyturn_connections_refused_total: {
    type: 'counter',
    help: 'Connections that were closed immediately because MAX_CONNECTIONS were open.',
  },
  keyturn_tls_handshakes_failed_total: {
    type: 'counter',
    help: 'Failed TLS handshakes, except those that the client aborted.',
  },
  keyturn_tokens_issued_total: {
    type: 'counter',
    help: 'Token responses with an access token, by grant type.',
    labels: ['grant_type'],
    initial: [
      { grant_type: 'authorization_code' },
      { grant_type: 'refresh_token' },
      { grant_type: 'client_credentials' },
      { grant_type: 'urn:ietf:params:oauth:grant-type:device_code' },
      { grant_type: 'urn:openid:params:grant-type:ciba' },
    ],
  },
  keyturn_refreshes_total: {
    type: 'counter',
    help: 'Presented refresh tokens by result: rotated, replayed (the same response again), reuse_race, reuse_attack (the family ended).',
    labels: ['verdict'],
  },
  keyturn_refusals_total: {
    type: 'counter',
    help: 'Refused requests by the check that failed (docs/refusals.md) and the error code of the response.',
    labels: ['check', 'error'],
  },
  keyturn_sign_ins_total: {
    type: 'counter',
    help: 'Sign-ins by outcome: signed_in, or the check that refused it.',
    labels: ['outcome'],
    initial: [{ outcome: 'signed_in' }],
  },
  keyturn_events_total: {
    type: 'counter',
    help: 'Other events, by name (docs/security.md).',
    labels: ['event'],
  },
  keyturn_hash_queue_waiting: {
    type: 'gauge',
    help: 'Passwords waiting to be hashed.',
    across: 'sum',
  },
  keyturn_hash_queue_running: {
    type: 'gauge',
    help: 'Password hashes in progress.',
    across: 'sum',
  },
  keyturn_hash_queue_wait_seconds: {
    type: 'histogram',
    help: 'Time that passwords waited to be hashed.',
    buckets: waits,
  },
  keyturn_hash_duration_seconds: {
    type: 'histogram',
    help: 'Time that a slot of the hash queue was held: recording the attempt, and the hash.',
    buckets: requests,
  },
  keyturn_hash_queue_refused_total: {
    type: 'counter',
    help: 'Passwords that were not checked because the queue was full.',
  },
  keyturn_db_up: {
    type: 'gauge',
    help: '1 if Postgres answered the last query, else 0; it is queried at least twice a second.',
    across: 'min',
  },
  keyturn_db_connection_failures_total: {
    type: 'counter',
    help: 'Failures to get a connection to Postgres: none could be opened, or none was free in time.',
  },
  keyturn_db_pool_connections: {
    type: 'gauge',
    help: 'Connections to Postgres, idle or busy.',
    labels: ['state'],
    across: 'sum',
  },
  keyturn_db_pool_limit: {
    type: 'gauge',
    help: 'Maximum number of connections to Postgres.',
    across: 'sum',
  },
  keyturn_db_pool_waiting: {
    type: 'gauge',
    help: 'Operations waiting for a connection to Postgres.',
    across: 'sum',
  },
  keyturn_db_pool_wait_seconds: {
    type: 'histogram',
    help: 'Time that operations waited for a connection to Postgres.',
    buckets: waits,
  },
  keyturn_db_statement_duration_seconds: {
    type: 'histogram',
    help: 'Duration of statements by kind, from sending to the result.',
    labels: ['operation'],
    buckets: statements,
  },
  keyturn_db_statement_failures_total: {
    type: 'counter',
    help: 'Statements that failed or timed out, by kind.',
    labels: ['operation'],
    initial: [{ operation: 'select' }],
  },
  keyturn_redis_up: {
    type: 'gauge',
    help: '1 if Redis stores what is written to it (a test write at each scrape), else 0: unreachable, full or a replica; in a cluster, one shard is tested. Absent without Redis.',
    across: 'min',
  },
  keyturn_redis_command_duration_seconds: {
    type: 'histogram',
    help: 'Duration of Redis commands, from sending to the reply.',
    labels: ['command'],
    buckets: statements,
  },
  keyturn_redis_command_failures_total: {
    type: 'counter',
    help: 'Redis commands that failed or timed out.',
    labels: ['command'],
    initial: [{ command: 'get' }],
  },
  keyturn_outgoing_request_duration_seconds: {
    type: 'histogram',
    help: 'Outgoing requests (key sets of clients, back-channel log-out, webhooks), by outcome: a class of status, or "failed".',
    labels: ['outcome'],
    initial: [{ outcome: '2xx' }, { outcome: 'failed' }],
    buckets: requests,
  },
  keyturn_signing_key_age_seconds: {
    type: 'gauge',
    help: 'How long the oldest active key has been signing, by algorithm, over all tenants.',
    labels: ['alg'],
    across: 'max',
    shared: true,
  },
  keyturn_signing_key_next_rotation_seconds: {
    type: 'gauge',
    help: 'Seconds until the next key takes over, by algorithm, over all tenants; negative if it is late.',
    labels: ['alg'],
    across: 'min',
    shared: true,
  },
  keyturn_signing_keys_late: {
    type: 'gauge',
    help: 'Keys whose successor was not published in time.',
    across: 'max',
  },
  keyturn_signing_keys_overdue: {
    type: 'gauge',
    help: 'Keys that have been signing for longer than scheduled.',
    across: 'max',
  },
  keyturn_signing_ready: {
    type: 'gauge',
    help: '1 if this process may sign, 0 if it does not know whether its keys are still valid.',
    across: 'min',
  },
  keyturn_outbox_messages: {
    type: 'gauge',
    help: 'Messages waiting for delivery, by kind.',
    labels: ['kind'],
    across: 'max',
    shared: true,
  },
  keyturn_outbox_oldest_seconds: {
    type: 'gauge',
    help: 'Age of the oldest waiting message, by kind.',
    labels: ['kind'],
    across: 'max',
    shared: true,
  },
  keyturn_outbox_attempts_total: {
    type: 'counter',
    help: 'Delivery attempts by kind and outcome: delivered, missed (tried again later), given_up.',
    labels: ['kind', 'outcome'],
  },
  keyturn_rounds_total: {
    type: 'counter',
    help: 'Rounds of background work by outcome: done or failed.',
    labels: ['round', 'outcome'],
  },
  keyturn_round_duration_seconds: {
    type: 'histogram',
    help: 'Duration of a round of background work.',
    labels: ['round'],
    buckets: [0.005, 0.05, 0.5, 1, 5, 30],
  },
  keyturn_round_last_success_timestamp_seconds: {
    type: 'gauge',
    help: 'Time of the last successful round, in seconds since 1970.',
    labels: ['round'],
    across: 'max',
  },
  keyturn_swept_rows_total: {
    type: 'counter',
    help: 'Expired rows that were removed.',
  },
  keyturn_audit_unsealed_events: {
    type: 'gauge',
    help: 'Audit events that are not in the chain yet, without those whose count is still open.',
    across: 'max',
    shared: true,
  },
  keyturn_audit_seal_lag_seconds: {
    type: 'gauge',
    help: 'Age of the oldest audit event that is not in the chain yet.',
    across: 'max',
    shared: true,
  },
  keyturn_denylist_entries: {
    type: 'gauge',
    help: 'Entries of the in-memory deny-list.',
    across: 'max',
  },
  keyturn_denylist_age_seconds: {
    type: 'gauge',
    help: 'Age of the in-memory deny-list; above DENYLIST_MAX_STALENESS, introspection answers 503.',
    across: 'max',
  },
  keyturn_clock_offset_seconds: {
    type: 'gauge',
    help: 'How far the clock of Postgres is ahead of the clock of this machine.',
    across: 'max',
  },
  keyturn_log_lines_total: {
    type: 'counter',
    help: 'Log lines by level.',
    labels: ['level'],
  },
  keyturn_log_lines_withheld_total: {
    type: 'counter',
    help: 'Warnings and errors that were suppressed as repetitions.',
  },
  keyturn_log_lines_lost_total: {
    type: 'counter',
    help: 'Log lines that could not be written: no space, no reader, or a reader that is a mebibyte behind.',
  },
  keyturn_spans_lost_total: {
    type: 'counter',
    help: 'Trace spans that were lost: "queue" if too many were waiting, "export" if the collector did not accept them.',
    labels: ['reason'],
  },
  keyturn_workers: {
    type: 'gauge',
    help: 'Workers that are listening; absent with a single process.',
    across: 'sum',
  },
  keyturn_worker_ends_total: {
    type: 'counter',
    help: 'Workers that ended, for any reason.',
  },
  keyturn_build_info: {
    type: 'gauge',
    help: 'Always 1; the labels have the versions.',
    labels: ['version', 'node'],
    across: 'max',
  },
} as const satisfies Record<string, Shape>

type Catalogue = typeof catalogue
export type MetricName = keyof Catalogue

type OfType<Type extends Shape['type']> = {
  [Name in MetricName]: Catalogue[Name]['type'] extends Type ? Name : never
}[MetricName]
export type CounterName = OfType<'counter'>
export type GaugeName = OfType<'gauge'>
export type HistogramName = OfType<'histogram'>

/** The labels of a metric as an object of texts. */
export type Labels<Name extends MetricName> = Catalogue[Name] extends {
  labels: readonly (infer Label extends string)[]
}
  ? Record<Label, string>
  : Readonly<Record<string, never>>

/** The row of a metric, with its optional members. */
export const shapeOf = (name: MetricName): Shape => catalogue[name]
