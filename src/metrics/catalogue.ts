/**
 * Every metric once: what it means, its labels, and how the figures of several workers become one. No label is a tenant,
 * client, account, address or path, as strangers choose those: the number of series is bounded (docs/metrics.md).
 */

interface Shape {
  type: 'counter' | 'gauge' | 'histogram'
  help: string
  labels?: readonly string[]
  /** Labels of series that are there at 0 before anything was counted: an alert or the dashboard asks for them. */
  initial?: readonly Readonly<Record<string, string>>[]
  /** Upper bounds in seconds, of histograms. */
  buckets?: readonly number[]
  /** Of gauges: what the workers' figures become. Counters and histograms are added. */
  across?: 'sum' | 'max' | 'min'
  /** It describes the installation, not the process: one worker is asked, and every node says the same. */
  shared?: true
}

/** Seconds: from what memory answers to what a client gives up on. */
const requests = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
/** Seconds: what a statement or a command takes. */
const statements = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]
/** Seconds: what waits in a queue. */
const waits = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]

export const catalogue = {
  keyturn_http_requests_total: {
    type: 'counter',
    help: 'Requests by method, route template and status; "aborted" where the caller left before the answer. What could not be read as one is "other" at "unmatched".',
    labels: ['method', 'route', 'status'],
  },
  keyturn_http_request_duration_seconds: {
    type: 'histogram',
    help: 'From the head of a request to the end of its answer, by route template; of those refused with 503 at their head there is none.',
    labels: ['route'],
    buckets: requests,
  },
  keyturn_http_requests_in_flight: {
    type: 'gauge',
    help: 'Requests that have no answer yet.',
    across: 'sum',
  },
  keyturn_connections_open: {
    type: 'gauge',
    help: 'Connections of callers, idle ones among them.',
    across: 'sum',
  },
  keyturn_connections_refused_total: {
    type: 'counter',
    help: 'Connections that were closed at once, as MAX_CONNECTIONS were open.',
  },
  keyturn_tls_handshakes_failed_total: {
    type: 'counter',
    help: 'TLS handshakes that failed, but for callers who left.',
  },
  keyturn_tokens_issued_total: {
    type: 'counter',
    help: 'Answers of the token endpoint with an access token, by grant type.',
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
    help: 'What became of refresh tokens: rotated, replayed (the same answer again), reuse_race, reuse_attack (the family ended).',
    labels: ['verdict'],
  },
  keyturn_refusals_total: {
    type: 'counter',
    help: 'Refused requests by the check that failed (docs/refusals.md) and the error code that the caller got.',
    labels: ['check', 'error'],
  },
  keyturn_sign_ins_total: {
    type: 'counter',
    help: 'Sign-ins: signed_in, or the check that refused one.',
    labels: ['outcome'],
    initial: [{ outcome: 'signed_in' }],
  },
  keyturn_events_total: {
    type: 'counter',
    help: 'What else is counted, by name (docs/security.md).',
    labels: ['event'],
  },
  keyturn_hash_queue_waiting: {
    type: 'gauge',
    help: 'Passwords that wait for their hash.',
    across: 'sum',
  },
  keyturn_hash_queue_running: {
    type: 'gauge',
    help: 'Password hashes under way.',
    across: 'sum',
  },
  keyturn_hash_queue_wait_seconds: {
    type: 'histogram',
    help: 'How long passwords waited for their hash.',
    buckets: waits,
  },
  keyturn_hash_duration_seconds: {
    type: 'histogram',
    help: 'How long a place of the queue was held: the try that is taken, and the hash.',
    buckets: requests,
  },
  keyturn_hash_queue_refused_total: {
    type: 'counter',
    help: 'Passwords that were not looked at, as too many waited.',
  },
  keyturn_db_up: {
    type: 'gauge',
    help: '1 while Postgres answers what it is asked last, else 0; it is asked twice a second at least.',
    across: 'min',
  },
  keyturn_db_connection_failures_total: {
    type: 'counter',
    help: 'Times that work got no connection to Postgres: none could be opened, or none was free in time.',
  },
  keyturn_db_pool_connections: {
    type: 'gauge',
    help: 'Connections to Postgres, idle or busy.',
    labels: ['state'],
    across: 'sum',
  },
  keyturn_db_pool_limit: {
    type: 'gauge',
    help: 'Connections to Postgres that there may be.',
    across: 'sum',
  },
  keyturn_db_pool_waiting: {
    type: 'gauge',
    help: 'Work that waits for a connection to Postgres.',
    across: 'sum',
  },
  keyturn_db_pool_wait_seconds: {
    type: 'histogram',
    help: 'How long work waited for a connection to Postgres.',
    buckets: waits,
  },
  keyturn_db_statement_duration_seconds: {
    type: 'histogram',
    help: 'Statements by kind, from sending to the answer.',
    labels: ['operation'],
    buckets: statements,
  },
  keyturn_db_statement_failures_total: {
    type: 'counter',
    help: 'Statements that failed, or had no answer in time, by kind.',
    labels: ['operation'],
    initial: [{ operation: 'select' }],
  },
  keyturn_redis_up: {
    type: 'gauge',
    help: '1 while Redis keeps what it is told, which it is asked for this, else 0: away, full or a replica; of a cluster one shard. Absent without Redis.',
    across: 'min',
  },
  keyturn_redis_command_duration_seconds: {
    type: 'histogram',
    help: 'Commands to Redis, from sending to the answer.',
    labels: ['command'],
    buckets: statements,
  },
  keyturn_redis_command_failures_total: {
    type: 'counter',
    help: 'Commands to Redis that failed, or had no answer in time.',
    labels: ['command'],
    initial: [{ command: 'get' }],
  },
  keyturn_outgoing_request_duration_seconds: {
    type: 'histogram',
    help: 'Requests to others (key sets of clients, back-channel log-out, webhooks), by outcome: a class of status, or "failed".',
    labels: ['outcome'],
    initial: [{ outcome: '2xx' }, { outcome: 'failed' }],
    buckets: requests,
  },
  keyturn_signing_key_age_seconds: {
    type: 'gauge',
    help: 'How long the oldest key has signed, by algorithm, over all tenants.',
    labels: ['alg'],
    across: 'max',
    shared: true,
  },
  keyturn_signing_key_next_rotation_seconds: {
    type: 'gauge',
    help: 'When the next key takes over, by algorithm, over all tenants; negative where it is late.',
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
    help: 'Keys that sign for longer than their schedule.',
    across: 'max',
  },
  keyturn_signing_ready: {
    type: 'gauge',
    help: '1 while this process may sign, 0 while it cannot know that its keys are still good.',
    across: 'min',
  },
  keyturn_outbox_messages: {
    type: 'gauge',
    help: 'Messages that wait to be delivered, by kind.',
    labels: ['kind'],
    across: 'max',
    shared: true,
  },
  keyturn_outbox_oldest_seconds: {
    type: 'gauge',
    help: 'Age of the oldest message that waits, by kind.',
    labels: ['kind'],
    across: 'max',
    shared: true,
  },
  keyturn_outbox_attempts_total: {
    type: 'counter',
    help: 'Attempts to deliver, by kind and outcome: delivered, missed (tried again later), given_up.',
    labels: ['kind', 'outcome'],
  },
  keyturn_rounds_total: {
    type: 'counter',
    help: 'Background work by what it does, done or failed.',
    labels: ['round', 'outcome'],
  },
  keyturn_round_duration_seconds: {
    type: 'histogram',
    help: 'How long a round of background work took.',
    labels: ['round'],
    buckets: [0.005, 0.05, 0.5, 1, 5, 30],
  },
  keyturn_round_last_success_timestamp_seconds: {
    type: 'gauge',
    help: 'When background work was last done, in seconds since 1970.',
    labels: ['round'],
    across: 'max',
  },
  keyturn_swept_rows_total: {
    type: 'counter',
    help: 'Rows that were removed because they are over.',
  },
  keyturn_audit_unsealed_events: {
    type: 'gauge',
    help: 'Audit events that have no place in the chain yet; those that are still being counted not among them.',
    across: 'max',
    shared: true,
  },
  keyturn_audit_seal_lag_seconds: {
    type: 'gauge',
    help: 'Age of the oldest of them.',
    across: 'max',
    shared: true,
  },
  keyturn_denylist_entries: {
    type: 'gauge',
    help: 'Entries of the deny-list in memory.',
    across: 'max',
  },
  keyturn_denylist_age_seconds: {
    type: 'gauge',
    help: 'How old the deny-list in memory is: beyond DENYLIST_MAX_STALENESS introspection answers 503.',
    across: 'max',
  },
  keyturn_clock_offset_seconds: {
    type: 'gauge',
    help: 'How far Postgres is ahead of the clock of this machine.',
    across: 'max',
  },
  keyturn_log_lines_total: {
    type: 'counter',
    help: 'Lines of the log by level.',
    labels: ['level'],
  },
  keyturn_log_lines_withheld_total: {
    type: 'counter',
    help: 'Warnings and errors that were not written, as the same had just been said.',
  },
  keyturn_log_lines_lost_total: {
    type: 'counter',
    help: 'Lines that could not be written: no space, no reader, or one that is a mebibyte behind.',
  },
  keyturn_spans_lost_total: {
    type: 'counter',
    help: 'Spans of traces that were lost: "queue" where too many waited, "export" where the collector did not take them.',
    labels: ['reason'],
  },
  keyturn_workers: {
    type: 'gauge',
    help: 'Workers that listen; absent where one process does all.',
    across: 'sum',
  },
  keyturn_worker_ends_total: {
    type: 'counter',
    help: 'Workers that ended, whatever the reason.',
  },
  keyturn_build_info: {
    type: 'gauge',
    help: 'Always 1; says which version this is.',
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

/** The labels of a metric, each with a text. */
export type Labels<Name extends MetricName> = Catalogue[Name] extends {
  labels: readonly (infer Label extends string)[]
}
  ? Record<Label, string>
  : Readonly<Record<string, never>>

/** The same row with its optional members. */
export const shapeOf = (name: MetricName): Shape => catalogue[name]
