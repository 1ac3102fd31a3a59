import { flag, integer, seconds } from './values.ts'

/** Limits on requests per process: a part of the table in config.ts. */
export const limits = {
  bodyLimit: {
    env: 'BODY_LIMIT',
    group: 'Limits',
    unit: 'bytes',
    schema: integer(1024, 10_485_760),
    default: '57344',
    description: 'Maximum size of a request body; a larger one gets 413.',
  },
  headerLimit: {
    env: 'HEADER_LIMIT',
    group: 'Limits',
    unit: 'bytes',
    schema: integer(4096, 262_144),
    default: '16384',
    description: 'Maximum size of all request headers together; larger ones get 431.',
  },
  headersTimeout: {
    env: 'HEADERS_TIMEOUT',
    group: 'Limits',
    ...seconds(1, 300),
    default: '10',
    description: 'How long the request headers may take to arrive. At most `REQUEST_TIMEOUT`.',
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
      'How long an idle connection is kept open. Behind a reverse proxy, it must be longer than the proxy keeps its connections.',
  },
  maxConnections: {
    env: 'MAX_CONNECTIONS',
    group: 'Limits',
    schema: integer(1, 1_000_000),
    default: '10000',
    description:
      'Maximum number of open connections per process; further ones are closed immediately.',
  },
  maxRequests: {
    env: 'MAX_REQUESTS',
    group: 'Limits',
    schema: integer(1, 100_000),
    default: '256',
    description:
      'Maximum number of concurrent requests per process, lowered under overload; requests that start a new flow are refused first. Refused requests get 503 with `Retry-After`. Health, the key set and discovery are always answered.',
  },
  rateLimits: {
    env: 'RATE_LIMITS',
    group: 'Limits',
    schema: flag,
    default: 'on',
    description:
      'Rate limits, as listed in `docs/security.md`. `off` is for tests and benchmarks only; account lock-out stays on.',
  },
} as const
