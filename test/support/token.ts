import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type Pkcs11 from 'pkcs11js'
import { findProgram } from './binaries.ts'
import { temporaryFolder } from './child.ts'
import { printNotice, servicesRequired } from './root-hooks.ts'
import { remember } from './witness.ts'

const library = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib64/softhsm/libsofthsm2.so',
  '/usr/local/lib/softhsm/libsofthsm2.so',
].find(existsSync)

const require = createRequire(import.meta.url)

/** The binding is an optional dependency. */
function hasBinding(): boolean {
  try {
    require.resolve('pkcs11js')
    return true
  } catch {
    return false
  }
}

/** Whether SoftHSM2 is installed. If not, says so, or fails where services are required. */
export function softHsmFound(): boolean {
  const missing = [
    ...(library === undefined || findProgram('softhsm2-util') === undefined ? ['softhsm2'] : []),
    ...(hasBinding() ? [] : ['pkcs11js (compiled by npm ci)']),
  ]
  if (missing.length === 0) return true
  const what = `NOT TESTED on a real PKCS#11 token: no ${missing.join(', no ')} on this machine.`
  if (servicesRequired()) throw new Error(`${what} REQUIRE_SERVICES=1 asks for it.`)
  printNotice(what, 'Debian: apt-get install softhsm2 python3 make g++, then npm ci.')
  return false
}

const pin = 'the-pin-of-the-token-38117'

/** A PKCS#11 token of SoftHSM2 in a folder of its own. */
export interface SoftToken {
  /** What a server needs to use it; `SOFTHSM2_CONF` is for the library alone. */
  readonly env: Readonly<Record<string, string>>
  /** Its private keys, as the library shows them after login. */
  keys(): HeldPrivateKey[]
  /** Removes it, so that new logins fail. */
  remove(): Promise<void>
  putBack(): Promise<void>
}

interface HeldPrivateKey {
  label: string
  /** CKA_ID in base64url. */
  id: string
  isSensitive: boolean
  isExtractable: boolean
  /** The library's refusal to export the private part. */
  refusal: string
}

function keysIn(label: string): HeldPrivateKey[] {
  const pkcs11 = require('pkcs11js') as typeof Pkcs11
  const token = new pkcs11.PKCS11()
  token.load(library as string)
  token.C_Initialize()
  try {
    const slot = token
      .C_GetSlotList(true)
      .find((each) => token.C_GetTokenInfo(each).label.trim() === label)
    if (!slot) return []
    const session = token.C_OpenSession(slot, pkcs11.CKF_SERIAL_SESSION)
    token.C_Login(session, pkcs11.CKU_USER, pin)
    token.C_FindObjectsInit(session, [{ type: pkcs11.CKA_CLASS, value: pkcs11.CKO_PRIVATE_KEY }])
    const found = token.C_FindObjects(session, 1000)
    token.C_FindObjectsFinal(session)
    const read = (key: Buffer, type: number) =>
      token.C_GetAttributeValue(session, key, [{ type }])[0]?.value as Buffer
    return found.map((key) => {
      const isRsa = read(key, pkcs11.CKA_KEY_TYPE).readUInt32LE() === pkcs11.CKK_RSA
      let refusal = 'none'
      try {
        read(key, isRsa ? pkcs11.CKA_PRIVATE_EXPONENT : pkcs11.CKA_VALUE)
      } catch (error) {
        refusal = (error as Error).message
      }
      return {
        label: read(key, pkcs11.CKA_LABEL).toString(),
        id: read(key, pkcs11.CKA_ID).toString('base64url'),
        isSensitive: read(key, pkcs11.CKA_SENSITIVE)[0] === 1,
        isExtractable: read(key, pkcs11.CKA_EXTRACTABLE)[0] === 1,
        refusal,
      }
    })
  } finally {
    token.C_Finalize()
  }
}

/** The processes that servers of a process started for their token. */
export async function tokenProcesses(of = process.pid): Promise<number[]> {
  const children = await readFile(`/proc/${of}/task/${of}/children`, 'utf8')
  const pids = children.split(' ').filter(Boolean).map(Number)
  const commands = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8')))
  return pids.filter((_, i) => commands[i]?.includes('pkcs11-process'))
}

/** Creates a token, which the library in this process finds from now on. */
export async function softToken(label = 'keyturn test'): Promise<SoftToken> {
  const folder = await temporaryFolder('token')
  const [tokens, away] = [join(folder, 'tokens'), join(folder, 'away')]
  const configuration = join(folder, 'softhsm2.conf')
  await mkdir(tokens)
  await writeFile(
    configuration,
    `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`,
  )
  // Child processes inherit it, as they would from the environment of a server.
  process.env['SOFTHSM2_CONF'] = configuration
  execFileSync(
    findProgram('softhsm2-util') as string,
    ['--init-token', '--free', '--label', label, '--so-pin', `so-${pin}`, '--pin', pin],
    { stdio: 'ignore' },
  )
  remember(pin)
  return {
    env: {
      PKCS11_MODULE: library as string,
      PKCS11_TOKEN_LABEL: label,
      PKCS11_PIN: pin,
      SOFTHSM2_CONF: configuration,
    },
    keys: () => keysIn(label),
    remove: async () => {
      await rename(tokens, away)
      await mkdir(tokens)
    },
    putBack: async () => {
      await rm(tokens, { recursive: true })
      await rename(away, tokens)
    },
  }
}
