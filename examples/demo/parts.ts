import { join } from 'node:path'
import { parseArgs } from 'node:util'

/** Where everything is. Settings may change the ports; `defaults` are those of `demo.yaml`. */
export interface Places {
  /** The demo's data: database, keys, secrets, log. Never the `data/` of a real installation. */
  folder: string
  ports: Record<Part, number>
  /** Programs that the user starts instead, to work on them. */
  without: Part[]
}

export type Part = 'keyturn' | 'web-app' | 'browser-app' | 'api'

interface Listener {
  part: Part
  /** The environment variable that changes the port. */
  setting: string
  port: number
}

export const listeners: readonly Listener[] = [
  { part: 'keyturn', setting: 'KEYTURN_PORT', port: 3100 },
  { part: 'web-app', setting: 'WEB_APP_PORT', port: 3101 },
  { part: 'browser-app', setting: 'BROWSER_APP_PORT', port: 3102 },
  { part: 'api', setting: 'API_PORT', port: 3103 },
]

export const at = (port: number) => `http://localhost:${port}`

/** What `--without` may name. */
const examples: readonly Part[] = ['api', 'web-app', 'browser-app']

/**
 * @param args of the command line
 * @throws Error with a sentence for the user
 */
export function readPlaces(
  env: Record<string, string | undefined>,
  args: string[],
  root: string,
): Places {
  const ports = listeners.map(({ part, setting, port }) => {
    const value = env[setting] || String(port)
    const chosen = Number(value)
    if (!/^\d+$/.test(value) || chosen < 1 || chosen > 65_535) {
      throw new Error(`${setting}: expected a port from 1 to 65535, got ${JSON.stringify(value)}`)
    }
    return [part, chosen] as const
  })
  const options = { without: { type: 'string', multiple: true } } as const
  const without = (parseArgs({ args, options }).values.without ?? []) as Part[]
  const [unknown] = without.filter((part) => !examples.includes(part))
  if (unknown) throw new Error(`--without: expected ${examples.join(', ')}, got ${unknown}`)
  return {
    without,
    folder: env['DEMO_DIR'] || join(root, 'data', 'demo'),
    ports: Object.fromEntries(ports) as Places['ports'],
  }
}

/** Secrets that the first start generates and keeps, so that users stay signed in across restarts. */
export interface Secrets {
  webApp: string
  browserApp: string
  api: string
  /** Encrypts the cookies of the browser app: base64url of 32 bytes. */
  cookieKey: string
}

/** The environment of each program, as in production: all that it needs, and nothing of the others. */
export function environments({ folder, ports }: Places, secrets: Secrets) {
  const issuer = at(ports.keyturn)
  return {
    keyturn: {
      PORT: String(ports.keyturn),
      DATA_DIR: folder,
      KEYS_DIR: folder,
      // The apps that receive back-channel logouts are on this machine. Never in production.
      ALLOW_LOOPBACK_FETCH: 'on',
      LOG_LEVEL: 'info',
    },
    'web-app': {
      PORT: String(ports['web-app']),
      BASE_URL: at(ports['web-app']),
      ISSUER: issuer,
      CLIENT_ID: 'web-app',
      CLIENT_SECRET: secrets.webApp,
      API_URL: at(ports.api),
    },
    'browser-app': {
      PORT: String(ports['browser-app']),
      BASE_URL: at(ports['browser-app']),
      ISSUER: issuer,
      CLIENT_ID: 'browser-app',
      CLIENT_SECRET: secrets.browserApp,
      COOKIE_KEY: secrets.cookieKey,
      API_URL: at(ports.api),
    },
    api: {
      PORT: String(ports.api),
      ISSUER: issuer,
      AUDIENCE: 'https://orders.example.com',
      CLIENT_ID: 'orders-api',
      CLIENT_SECRET: secrets.api,
      ALLOWED_ORIGINS: at(ports['browser-app']),
    },
    machine: {
      ISSUER: issuer,
      CLIENT_ID: 'nightly-report',
      KEY_FILE: join(folder, 'machine-key.json'),
      API_URL: at(ports.api),
    },
  } satisfies Record<Part | 'machine', Record<string, string>>
}
