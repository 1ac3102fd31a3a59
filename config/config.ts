import { availableParallelism } from 'node:os'
import type { z } from 'zod'
import { accounts } from './accounts.ts'
import { address } from './address.ts'
import { audit } from './audit.ts'
import { limits } from './limits.ts'
import { mail } from './mail.ts'
import { observability } from './observability.ts'
import { pages } from './pages.ts'
import { pkcs11, pkcs11Library } from './pkcs11.ts'
import type { Earlier, Setting } from './setting.ts'
import { tracing } from './tracing.ts'
import {
  flag,
  folder,
  integer,
  key256,
  keys256,
  networks,
  oneNumberOf,
  oneOf,
  postgresUrl,
  redisUrl,
  seconds,
  workers,
} from './values.ts'

export type { RedisTarget } from './values.ts'

/**
 * The only list of settings. The type of the configuration, its validation (`load.ts`) and the reference
 * (`reference.md`) derive from this table. A setting whose default depends on others must come after them.
 */
const table = {
  ...address,
  ...pages,

  databaseUrl: {
    env: 'DATABASE_URL',
    group: 'Storage',
    schema: postgresUrl,
    secret: true,
    description:
      'The Postgres server, version 14 or newer. Without it, embedded Postgres stores the data in `DATA_DIR`, for one process.',
  },
  databasePrepare: {
    env: 'DATABASE_PREPARE',
    group: 'Storage',
    schema: flag,
    default: 'on',
    description:
      'Whether to use prepared statements. `off` behind a pooler in transaction mode that does not support them (PgBouncer before 1.21).',
  },
  redis: {
    env: 'REDIS_URL',
    group: 'Storage',
    schema: redisUrl,
    secret: true,
    description:
      'Redis for short-lived data, which may be lost at any time. Without it, Postgres stores that data.',
  },
  dataDir: {
    env: 'DATA_DIR',
    group: 'Storage',
    schema: folder,
    default: './data',
    description: 'The folder of embedded Postgres and the local socket.',
  },
  keysDir: {
    env: 'KEYS_DIR',
    group: 'Storage',
    schema: folder,
    default: './keys',
    description:
      'The folder where the first embedded start writes the key-encryption key. Keep a copy of it, separate from the data.',
  },
  keyEncryptionKey: {
    env: 'KEY_ENCRYPTION_KEY',
    group: 'Storage',
    schema: key256,
    secret: true,
    description:
      'Encrypts signing keys and other secrets in the database. Generate one with `openssl rand -base64 32`. Without it, the key in `KEYS_DIR` is used.',
  },

  keyEncryptionKeyPrevious: {
    env: 'KEY_ENCRYPTION_KEY_PREVIOUS',
    group: 'Storage',
    schema: keys256,
    secret: true,
    description:
      'Further key-encryption keys during a rotation: they decrypt, and encrypt only in place of a retired key. See `docs/key-encryption-key.md`.',
  },

  jwksMaxAge: {
    env: 'JWKS_MAX_AGE',
    group: 'Signing keys',
    ...seconds(0, 86_400),
    default: '300',
    description: 'How long the key set and discovery may be cached.',
  },
  keyPrepublish: {
    env: 'KEY_PREPUBLISH',
    group: 'Signing keys',
    ...seconds(0, 2_592_000),
    default: '900',
    description:
      'How long a key is published before it signs. At least `JWKS_MAX_AGE`; if it is less than a minute more, the server logs a warning at startup, because verifiers pause between fetches (30 s in jose).',
  },

  keyRotateEvery: {
    env: 'KEY_ROTATE_EVERY',
    group: 'Signing keys',
    ...seconds(1, 315_360_000),
    default: '7776000',
    description: 'How long a key signs before its successor takes over.',
  },
  keyRetain: {
    env: 'KEY_RETAIN',
    group: 'Signing keys',
    ...seconds(1, 315_360_000),
    default: '2592000',
    description:
      'How long a key stays published after its successor took over. No token may be valid for longer. After this time, ID tokens signed with the key are no longer accepted as `id_token_hint`.',
  },
  keyMaxStaleness: {
    env: 'KEY_MAX_STALENESS',
    group: 'Signing keys',
    ...seconds(2, 3600),
    default: '30',
    description:
      'How long a process keeps signing without a response from Postgres. After that it answers 503, because its key may have been revoked.',
  },
  rsaKeyBits: {
    env: 'RSA_KEY_BITS',
    group: 'Signing keys',
    schema: oneNumberOf([2048, 3072, 4096]),
    default: '2048',
    description: 'Size of new RSA keys (RS256, PS256).',
  },
  ...pkcs11,
  ...pkcs11Library,

  accessTokenTtl: {
    env: 'ACCESS_TOKEN_TTL',
    group: 'Lifetimes',
    ...seconds(1, 900),
    default: '600',
    description: 'Lifetime of an access token.',
  },
  idTokenTtl: {
    env: 'ID_TOKEN_TTL',
    group: 'Lifetimes',
    ...seconds(1, 3600),
    default: '600',
    description: 'Lifetime of an ID token.',
  },
  authorizationCodeTtl: {
    env: 'AUTHORIZATION_CODE_TTL',
    group: 'Lifetimes',
    ...seconds(1, 600),
    default: '60',
    description: 'Lifetime of an authorization code.',
  },
  deviceCodeTtl: {
    env: 'DEVICE_CODE_TTL',
    group: 'Lifetimes',
    ...seconds(1, 1800),
    default: '600',
    description: 'Lifetime of a device code: how long a user may take to enter and approve it.',
  },
  backchannelRequestTtl: {
    env: 'BACKCHANNEL_REQUEST_TTL',
    group: 'Lifetimes',
    ...seconds(1, 1800),
    default: '600',
    description:
      'How long a user may take to answer a backchannel authentication request (CIBA); clients may ask for less.',
  },
  interactionTtl: {
    env: 'INTERACTION_TTL',
    group: 'Lifetimes',
    ...seconds(1, 86_400),
    default: '3600',
    description: 'How long a user may take to sign in and consent.',
  },
  sessionIdleTtl: {
    env: 'SESSION_IDLE_TTL',
    group: 'Lifetimes',
    ...seconds(1, 31_536_000),
    default: '1209600',
    description:
      'A session ends when it has not been used for this long. At most `SESSION_ABSOLUTE_TTL`.',
  },
  sessionAbsoluteTtl: {
    env: 'SESSION_ABSOLUTE_TTL',
    group: 'Lifetimes',
    ...seconds(1, 31_536_000),
    default: '2592000',
    description: 'A session ends this long after sign-in in any case.',
  },
  refreshTokenIdleTtl: {
    env: 'REFRESH_TOKEN_IDLE_TTL',
    group: 'Lifetimes',
    ...seconds(1, 63_072_000),
    default: '2592000',
    description:
      'A refresh-token family ends when it has not been used for this long. At most `REFRESH_TOKEN_ABSOLUTE_TTL`.',
  },
  refreshTokenAbsoluteTtl: {
    env: 'REFRESH_TOKEN_ABSOLUTE_TTL',
    group: 'Lifetimes',
    ...seconds(1, 63_072_000),
    default: '31536000',
    description: 'A refresh-token family ends this long after the authorization in any case.',
  },

  refreshReplayWindow: {
    env: 'REFRESH_REPLAY_WINDOW',
    group: 'Lifetimes',
    ...seconds(0, 60),
    default: '30',
    description:
      'How long the previous refresh token gets the same response again, for clients that did not receive the response; the time of an outage does not count. 0 disables this.',
  },
  maxFamilies: {
    env: 'MAX_FAMILIES',
    group: 'Lifetimes',
    schema: integer(1, 10_000),
    default: '100',
    description:
      'Maximum number of active refresh-token families (devices) per account and client; a further one ends the oldest.',
  },
  denylistMaxStaleness: {
    env: 'DENYLIST_MAX_STALENESS',
    group: 'Lifetimes',
    ...seconds(1, 60),
    default: '5',
    description:
      'How long introspection keeps answering without an update of its deny-list. After that it answers 503.',
  },

  ...accounts,

  ...mail,

  ...limits,

  allowFetchTo: {
    env: 'ALLOW_FETCH_TO',
    group: 'Outgoing requests',
    schema: networks,
    default: '',
    description:
      'Private networks that outgoing requests may reach, for clients in them; https only.',
  },
  allowLoopbackFetch: {
    env: 'ALLOW_LOOPBACK_FETCH',
    group: 'Outgoing requests',
    schema: flag,
    default: 'off',
    description:
      'Only for development, tests and the demo: outgoing requests may reach this machine, also over plain http.',
  },

  ...audit,

  ...observability,
  ...tracing,

  logLevel: {
    env: 'LOG_LEVEL',
    group: 'Running',
    schema: oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']),
    default: 'info',
    description: 'The lowest level to log; `silent` logs nothing.',
  },
  shutdownTimeout: {
    env: 'SHUTDOWN_TIMEOUT',
    group: 'Running',
    ...seconds(0, 300),
    default: '10',
    description: 'How long requests in progress may take to finish after SIGTERM.',
  },
  workers: {
    env: 'WORKERS',
    group: 'Running',
    schema: workers,
    default: '1',
    description:
      'Number of processes that share the port; `auto` is one per core. Embedded Postgres allows one process only: a higher number is an error, and `auto` is one. Limits and `DATABASE_POOL_SIZE` are per process.',
  },
  databasePoolSize: {
    env: 'DATABASE_POOL_SIZE',
    group: 'Storage',
    schema: integer(1, 1000),
    default: {
      text: '`10`; with more than four `WORKERS`, their share of 40, at least 2',
      from: ({ workers: given = 1 }: Earlier) => {
        const processes = given === 'auto' ? availableParallelism() : given
        return String(Math.min(10, Math.max(2, Math.floor(40 / processes))))
      },
    },
    description:
      'Maximum number of connections to Postgres per process (each of `WORKERS`), and one more for notifications. All nodes together must stay below `max_connections`.',
  },
  clockOffsetSeconds: {
    env: 'CLOCK_OFFSET_SECONDS',
    group: 'Running',
    ...seconds(-315_360_000, 315_360_000),
    default: '0',
    description: 'Only for tests: shifts the clock of the process.',
  },
} satisfies Record<string, Setting>

type Table = typeof table

/** The configuration. Times are in seconds, sizes in bytes unless the name says otherwise, folders are absolute. */
export type Config = {
  readonly [Key in keyof Table]:
    | z.infer<Table[Key]['schema']>
    | (Table[Key] extends { optional: true }
        ? undefined
        : Table[Key] extends { default: unknown }
          ? never
          : undefined)
} & {
  /** The environment variables that the PKCS#11 library gets. */
  readonly pkcs11Variables: Readonly<Record<string, string>>
  /** Names of OpenTelemetry variables that are set but have no effect. */
  readonly otelWithoutEffect: readonly string[]
  /** Variables whose names are probably misspelt settings, with the setting's name. */
  readonly misspelt: readonly string[]
}

export type ConfigKey = keyof Table

export const settings: Readonly<Record<ConfigKey, Setting>> = table
