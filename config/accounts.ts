import { email, file, integer, seconds } from './values.ts'

/** Accounts, and what hashing their passwords may cost: a part of the table in config.ts. */
export const accounts = {
  operatorEmail: {
    env: 'OPERATOR_EMAIL',
    group: 'Accounts and passwords',
    schema: email,
    default: 'admin@localhost',
    description: 'The address of the operator account that the first start creates.',
  },
  oneTimePasswordTtl: {
    env: 'ONE_TIME_PASSWORD_TTL',
    group: 'Accounts and passwords',
    ...seconds(1, 2_592_000),
    default: '86400',
    description: 'Life of a one-time password that an operator hands out.',
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
      'The same where a second factor is asked for in any case; never more than `PASSWORD_MIN_LENGTH`.',
  },
  passwordListFile: {
    env: 'PASSWORD_LIST_FILE',
    group: 'Accounts and passwords',
    schema: file,
    description:
      'Further passwords that nobody may choose, as `passwords compile` wrote them; the list that comes with the server applies in any case.',
  },
  geoipDatabase: {
    env: 'GEOIP_DATABASE',
    group: 'Accounts and passwords',
    schema: file,
    description:
      'Countries by address (MaxMind DB, such as GeoLite2-Country.mmdb): sign-ins are marked with them. A file that is replaced is taken up.',
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
      'Iterations of one password hash: 20 to 50 ms for each are a good measure. Hashes with others are renewed at sign-in.',
  },
  hashConcurrency: {
    env: 'HASH_CONCURRENCY',
    group: 'Accounts and passwords',
    schema: integer(1, 64),
    default: '2',
    description: 'Password hashes at once in one process, so that hashing never starves signing.',
  },
  threadPoolSize: {
    env: 'UV_THREADPOOL_SIZE',
    group: 'Accounts and passwords',
    schema: integer(1, 1024),
    default: '4',
    description:
      'Threads on which the runtime hashes, signs with RSA, reads files and looks up names: more than `HASH_CONCURRENCY`, as a start warns otherwise.',
  },
  hashQueue: {
    env: 'HASH_QUEUE',
    group: 'Accounts and passwords',
    schema: integer(0, 10_000),
    default: '32',
    description: 'Sign-ins that may wait for a hash; the next one is told to try again (503).',
  },
} as const
