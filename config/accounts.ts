import { email, file, integer, seconds } from './values.ts'

/** Accounts, and what hashing their passwords may cost: a part of the table in config.ts. */
export const accounts = {
  operatorEmail: {
    env: 'OPERATOR_EMAIL',
    group: 'Accounts and passwords',
    schema: email,
    default: 'admin@localhost',
    description: 'The e-mail address of the operator account that the first start creates.',
  },
  oneTimePasswordTtl: {
    env: 'ONE_TIME_PASSWORD_TTL',
    group: 'Accounts and passwords',
    ...seconds(1, 2_592_000),
    default: '86400',
    description: 'Lifetime of a one-time password from an operator.',
  },
  passwordMinLength: {
    env: 'PASSWORD_MIN_LENGTH',
    group: 'Accounts and passwords',
    schema: integer(8, 64),
    default: '15',
    description: 'Minimum length of a new password, in characters.',
  },
  passwordMinLengthWithFactor: {
    env: 'PASSWORD_MIN_LENGTH_WITH_FACTOR',
    group: 'Accounts and passwords',
    schema: integer(8, 64),
    default: '8',
    description:
      'The same, if every sign-in requires a second factor. At most `PASSWORD_MIN_LENGTH`.',
  },
  passwordListFile: {
    env: 'PASSWORD_LIST_FILE',
    group: 'Accounts and passwords',
    schema: file,
    description:
      'Further passwords to refuse, as written by `passwords compile`; the built-in list applies in any case.',
  },
  geoipDatabase: {
    env: 'GEOIP_DATABASE',
    group: 'Accounts and passwords',
    schema: file,
    description:
      'Database of countries by IP address (MaxMind DB, such as GeoLite2-Country.mmdb), for the country of sign-ins. A replaced file is loaded automatically.',
  },
  argon2MemoryKib: {
    env: 'ARGON2_MEMORY_KIB',
    group: 'Accounts and passwords',
    unit: 'KiB',
    schema: integer(19_456, 1_048_576),
    default: '19456',
    description: 'Memory of one password hash (argon2id).',
  },
  argon2Iterations: {
    env: 'ARGON2_ITERATIONS',
    group: 'Accounts and passwords',
    schema: integer(2, 20),
    default: '4',
    description:
      'Iterations of one password hash: choose them so that a hash takes 20 to 50 ms. Hashes with a different number are renewed at sign-in.',
  },
  hashConcurrency: {
    env: 'HASH_CONCURRENCY',
    group: 'Accounts and passwords',
    schema: integer(1, 64),
    default: '2',
    description: 'Concurrent password hashes per process, limited so that signing is not delayed.',
  },
  threadPoolSize: {
    env: 'UV_THREADPOOL_SIZE',
    group: 'Accounts and passwords',
    schema: integer(1, 1024),
    default: '4',
    description:
      'Threads of the runtime for hashing, RSA signatures, files and name resolution. Should be more than `HASH_CONCURRENCY`; otherwise the server logs a warning at startup.',
  },
  hashQueue: {
    env: 'HASH_QUEUE',
    group: 'Accounts and passwords',
    schema: integer(0, 10_000),
    default: '32',
    description: 'Maximum number of sign-ins that wait for a hash; further ones get 503.',
  },
} as const
