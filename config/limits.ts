import { flag, integer, seconds } from './values.ts'

/** What one process takes of requests: a part of the table in config.ts. */
export const limits = {
  bodyLimit: {
    env: 'BODY_LIMIT',
    group: 'Limits',
    unit: 'bytes',
    schema: integer(1024, 10_485_760),
    default: '57344',
    description: 'The largest request body (413 beyond).',
  },
  headerLimit: {
    env: 'HEADER_LIMIT',
    group: 'Limits',
    unit: 'bytes',
    schema: integer(4096, 262_144),
    default: '16384',
    description: 'The largest request header, all lines together (431 beyond).',
  },
  headersTimeout: {
    env: 'HEADERS_TIMEOUT',
    group: 'Limits',
    ...seconds(1, 300),
    default: '10',
    description: 'How long a request header may take to arrive. At most `REQUEST_TIMEOUT`.',
  },
  requestTimeout: {
    env: 'REQUEST_TIMEOUT',
    group: 'Limits',
    ...seconds(1, 600),
    default: '15',
    description: 'How long a whole request may take to arrive.',
  },
  keepAliveTimeout: {
    env: 'KEEP_ALIVE_TIMEOUT',
    group: 'Limits',
    ...seconds(1, 600),
    default: '5',
    description:
      'How long an idle connection is kept. Behind a reverse proxy, longer than the proxy keeps its own.',
  },
  maxConnections: {
    env: 'MAX_CONNECTIONS',
    group: 'Limits',
    schema: integer(1, 1_000_000),
    default: '10000',
    description: 'Open connections of one process; more are closed at once.',
  },
  maxRequests: {
    env: 'MAX_REQUESTS',
    group: 'Limits',
    schema: integer(1, 100_000),
    default: '256',
    description:
      'Requests that one process works on at a time at most, fewer while more come than it answers soon; what only begins something is refused first. More get 503 with `Retry-After`. Health, the key set and discovery are always answered.',
  },
  rateLimits: {
    env: 'RATE_LIMITS',
    group: 'Limits',
    schema: flag,
    default: 'on',
    description:
      'Rate limits, as in `docs/security.md`. `off` is for tests and benchmarks; the lock-out of accounts stays.',
  },
} as const
