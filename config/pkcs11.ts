import { file, text, variableNames } from './values.ts'

/** The token that holds signing keys: a part of the table in config.ts. */
export const pkcs11 = {
  pkcs11Module: {
    env: 'PKCS11_MODULE',
    group: 'Signing keys',
    schema: file,
    description:
      'The PKCS#11 library of a token, such as `/usr/lib/softhsm/libsofthsm2.so`. With it, new signing keys are generated in the token and never leave it; without it, they are stored encrypted in Postgres. See `docs/pkcs11.md`.',
  },
  pkcs11TokenLabel: {
    env: 'PKCS11_TOKEN_LABEL',
    group: 'Signing keys',
    schema: text(32),
    description: 'The label of the token.',
  },
  pkcs11Pin: {
    env: 'PKCS11_PIN',
    group: 'Signing keys',
    schema: text(255),
    secret: true,
    description: 'The user PIN of the token.',
  },
} as const

type Member = keyof typeof pkcs11

/** Either all of these settings or none must be set. */
export function pkcs11Faults(given: Partial<Record<Member, unknown>>): string[] {
  const members = Object.keys(pkcs11) as Member[]
  // A refused value is reported already.
  const absent = members.filter((key) => key in given && given[key] === undefined)
  if (absent.length === members.length) return []
  const others = (key: Member) => members.filter((each) => each !== key && !absent.includes(each))
  return absent.map(
    (key) =>
      `${pkcs11[key].env}: expected a value because of ${others(key)
        .map((other) => pkcs11[other].env)
        .join(' and ')}, got none`,
  )
}

export const pkcs11Library = {
  pkcs11Environment: {
    env: 'PKCS11_ENVIRONMENT',
    group: 'Signing keys',
    schema: variableNames,
    default: '',
    description:
      'Further variables that the PKCS#11 library needs, by name. It runs in a process whose environment has these, `PATH`, `HOME`, `TZ`, `TMPDIR`, `LANG`, `LC_ALL`, `LD_LIBRARY_PATH`, `SOFTHSM2_CONF`, `OPENSC_CONF` and `P11_KIT_STRICT`, and nothing else.',
  },
} as const

const seenByLibraries = [
  'PATH',
  'HOME',
  'TZ',
  'TMPDIR',
  'LANG',
  'LC_ALL',
  'LD_LIBRARY_PATH',
  'SOFTHSM2_CONF',
  'OPENSC_CONF',
  'P11_KIT_STRICT',
]

/** The environment variables for a PKCS#11 library. @param names in addition to the usual ones */
export function libraryEnvironment(
  names: readonly string[],
  env: NodeJS.ProcessEnv,
): Record<string, string> {
  return Object.fromEntries(
    [...seenByLibraries, ...names].flatMap((name) => {
      const value = env[name]
      return value === undefined ? [] : [[name, value]]
    }),
  )
}
