import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { environments, type Places, type Secrets } from './parts.ts'

const secret = () => randomBytes(32).toString('base64url')

/** The content of a file that only its owner can read; created on first use. */
async function keep<T>(path: string, make: () => Promise<T> | T): Promise<T> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    const made = await make()
    await writeFile(path, `${JSON.stringify(made, null, 2)}\n`, { mode: 0o600 })
    return made
  }
}

/** The secrets of the demo's clients and the machine's public key. */
export async function keepSecrets({ folder }: Places): Promise<Secrets & { machine: JWK }> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const secrets = await keep<Secrets>(join(folder, 'secrets.json'), () => ({
    webApp: secret(),
    browserApp: secret(),
    api: secret(),
    cookieKey: secret(),
  }))
  const { d: _private, ...machine } = await keep<JWK>(join(folder, 'machine-key.json'), makeKey)
  return { ...secrets, machine }
}

async function makeKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  return { ...(await exportJWK(privateKey)), kid: secret().slice(0, 8), alg: 'ES256', use: 'sig' }
}

/** Writes each program's environment to a file, with which it can be run alone: `node --env-file=…`. */
export async function writeEnvironments(places: Places, secrets: Secrets): Promise<void> {
  for (const [name, env] of Object.entries(environments(places, secrets))) {
    const lines = Object.entries(env).map(([key, value]) => `${key}=${JSON.stringify(value)}\n`)
    await writeFile(join(places.folder, `${name}.env`), lines.join(''), { mode: 0o600 })
  }
}
