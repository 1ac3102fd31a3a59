import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Log } from '../log.ts'
import type { SigningAlg } from './signing-key.ts'

/** The requests to the process that speaks to a token. */
export type Work =
  | { what: 'login'; module: string; label: string; pin: string }
  /** Result: the kids of the missing keys. */
  | { what: 'check'; keys: { tenant: string; kid: string }[] }
  /** Result: the public JWK with its `kid`. */
  | { what: 'generate'; tenant: string; alg: SigningAlg; rsaBits: number }
  /** `data`: the input of the mechanism. Result: the signature. */
  | { what: 'sign'; tenant: string; kid: string; alg: SigningAlg; data: Uint8Array }
  | { what: 'destroy'; tenant: string; kid: string }
  /** Checks that the token is present and the login is valid. */
  | { what: 'ping' }
  /** Checks that the process answers at all. */
  | { what: 'alive' }

export interface Request {
  id: number
  work: Work
  /** Milliseconds after which the caller no longer waits. */
  within: number
}

/**
 * Refusal: another attempt would end the same. Lost: the token or the login is gone, which a new process may mend.
 * Failed: this work alone.
 */
export interface Fault {
  message: string
  kind: 'refusal' | 'lost' | 'failed'
}

export interface Answer {
  id: number
  result?: unknown
  fault?: Fault
}

/** Why some work was not done. */
export class TokenFault extends Error {
  readonly kind: Fault['kind']

  constructor({ message, kind }: Fault) {
    super(message)
    this.kind = kind
  }
}

/** PKCS#11 sessions of one process: the requests that the token works on at once. */
export const sessions = 4

/** Milliseconds that the token may take. Making a large RSA key is slow. */
const bounds: Record<Work['what'], number> = {
  login: 10_000,
  check: 10_000,
  generate: 120_000,
  sign: 5000,
  destroy: 5000,
  ping: 5000,
  alive: 1000,
}
/** Most requests that may wait for the token; further ones are refused at once. */
const mostPending = 256

interface Pending {
  resolve(result: unknown): void
  reject(error: Error): void
  timer: NodeJS.Timeout
}

/** A process that speaks to the token, and the requests sent to it. */
export interface Link {
  /** Whether it has done anything since its login. */
  hasWorked(): boolean
  /** @throws TokenFault, also when there is no answer in time; other requests go on */
  ask(work: Work): Promise<unknown>
  /** Lets it finish its requests, and then ends it. */
  retire(): void
  /** Ends it; callers that wait get the reason. */
  end(reason: TokenFault): void
  /** Lets it log out, and waits for its end. */
  close(): Promise<void>
}

/** @param env the whole environment of the process @param ended called once, whatever ended the process */
export function openLink(
  { label, env, log }: { label: string; env: NodeJS.ProcessEnv; log: Log },
  ended: (reason: TokenFault) => void,
): Link {
  const child: ChildProcess = fork(
    fileURLToPath(new URL('pkcs11-process.ts', import.meta.url)),
    [],
    { execArgv: [], env, serialization: 'advanced', stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
  )
  const pending = new Map<number, Pending>()
  /** Requests that were given up without an answer: each may occupy a session. */
  const overdue = new Set<number>()
  let ids = 0
  let worked = false
  let isRetired = false
  let isOver = false
  let asksAlive = false

  function settled(id: number): Pending | undefined {
    const call = pending.get(id)
    clearTimeout(call?.timer)
    pending.delete(id)
    if (pending.size === 0) {
      child.unref()
      child.channel?.unref()
      if (isRetired) child.kill('SIGKILL')
    }
    return call
  }

  function end(reason: TokenFault): void {
    if (isOver) return
    isOver = true
    child.kill('SIGKILL')
    ended(reason)
    for (const id of pending.keys()) settled(id)?.reject(reason)
  }

  const lost = (message: string) => new TokenFault({ message, kind: 'lost' })

  /**
   * A late answer alone proves nothing. The process is stuck if it does not answer `alive`, or has no free session
   * left.
   */
  function late(id: number, work: Work): void {
    const message = `no answer within ${bounds[work.what]} ms`
    settled(id)?.reject(new TokenFault({ message, kind: 'failed' }))
    overdue.add(id)
    log.error({ label, what: work.what }, 'the PKCS#11 token does not answer')
    if (overdue.size >= sessions) end(lost('its process is stuck'))
    else if (!asksAlive) {
      asksAlive = true
      ask({ what: 'alive' }).then(
        () => {
          asksAlive = false
        },
        () => end(lost('its process is stuck')),
      )
    }
  }

  function ask(work: Work): Promise<unknown> {
    if (pending.size >= mostPending) {
      throw new TokenFault({ message: 'too many requests are waiting for it', kind: 'failed' })
    }
    if (isOver) return Promise.reject(lost('its process ended'))
    const id = ids++
    const within = bounds[work.what]
    return new Promise((resolve, reject) => {
      pending.set(id, { resolve, reject, timer: setTimeout(late, within, id, work) })
      child.ref()
      child.channel?.ref()
      child.send({ id, work, within } satisfies Request, (error) => {
        if (error) end(lost(error.message))
      })
    }).then((result) => {
      worked ||= work.what !== 'login' && work.what !== 'alive'
      return result
    })
  }

  child.on('message', ({ id, result, fault }: Answer) => {
    overdue.delete(id)
    const call = settled(id)
    if (fault) call?.reject(new TokenFault(fault))
    else call?.resolve(result)
  })
  child.on('error', (error) => end(lost(error.message)))
  child.on('exit', (code, signal) => end(lost(`its process ended (${signal ?? code})`)))

  return {
    hasWorked: () => worked,
    ask,
    end,
    retire() {
      isRetired = true
      if (pending.size === 0) child.kill('SIGKILL')
    },
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const gone = new Promise((resolve) => void child.once('exit', resolve))
      child.ref()
      // The process logs out when it exits; SIGKILL follows if the library blocks it.
      if (child.connected) child.disconnect()
      const timer = setTimeout(() => child.kill('SIGKILL'), 1000)
      await gone
      clearTimeout(timer)
    },
  }
}
