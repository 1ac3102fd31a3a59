import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { DomainError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { SigningAlg } from './signing-key.ts'

/** What the process beside this one does with a token. */
export type Work =
  | { what: 'login'; module: string; label: string; pin: string }
  /** Result: the kids of those that are not there. */
  | { what: 'check'; keys: { tenant: string; kid: string }[] }
  /** Result: the public JWK with its `kid`. */
  | { what: 'generate'; tenant: string; alg: SigningAlg; rsaBits: number }
  /** `data` is what the mechanism takes; result: the signature. */
  | { what: 'sign'; tenant: string; kid: string; alg: SigningAlg; data: Uint8Array }
  | { what: 'destroy'; tenant: string; kid: string }

export interface Request {
  id: number
  work: Work
}

export interface Answer {
  id: number
  result?: unknown
  /** Final: another attempt would end the same. */
  fault?: { message: string; isFinal: boolean }
}

/** A PKCS#11 token, in the hands of a process of its own, which is started at the first use and after each failure. */
export interface Token {
  readonly label: string
  /**
   * Does it, in a new process once more when the token was lost; in a bounded time.
   * @throws DomainError `signing_unavailable`
   */
  perform<Result>(work: Exclude<Work, { what: 'login' }>): Promise<Result>
  close(): Promise<void>
}

/** Milliseconds that the token may take. Making a large RSA key is slow. */
const bounds: Record<Work['what'], number> = {
  login: 10_000,
  check: 10_000,
  generate: 120_000,
  sign: 5000,
  destroy: 5000,
}
/** Requests that may wait for the token; the next one is refused at once. */
const mostPending = 256
/** Milliseconds after a failed start in which no other is attempted. */
const pause = 1000

interface Pending {
  resolve(result: unknown): void
  reject(error: Error): void
  timer: NodeJS.Timeout
}

interface Running {
  child: ChildProcess
  pending: Map<number, Pending>
  ready: Promise<unknown>
}

/** The token may well be there for another process. */
class Lost extends Error {}

export function createToken(
  login: { module: string; label: string; pin: string },
  log: Log,
): Token {
  let running: Running | undefined
  let ids = 0
  /** What asking again would not help. */
  const refusals = new WeakSet<Error>()
  /** The last start that failed; until when it stands for the next ones. */
  let failed: { error: Error; until: number } | undefined

  const unavailable = (message: string, cause?: unknown) =>
    new DomainError('signing_unavailable', {
      detail: `PKCS#11 token ${JSON.stringify(login.label)}: ${message}.`,
      cause,
    })

  function start(): Running {
    const child = fork(fileURLToPath(new URL('pkcs11-process.ts', import.meta.url)), [], {
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    const self: Running = { child, pending: new Map(), ready: Promise.resolve() }
    child.on('message', ({ id, result, fault }: Answer) => {
      const call = settled(self, id)
      if (!fault) call?.resolve(result)
      else if (!fault.isFinal) call?.reject(new Lost(fault.message))
      else {
        const refusal = unavailable(fault.message)
        refusals.add(refusal)
        call?.reject(refusal)
      }
    })
    child.on('error', (error) => end(self, new Lost(error.message)))
    child.on('exit', (code, signal) => end(self, new Lost(`its process ended (${signal ?? code})`)))
    self.ready = ask(self, { what: 'login', ...login }).then(
      () => log.info({ token: login.label }, 'logged in to the PKCS#11 token'),
      (error: Error) => {
        failed = { error, until: refusals.has(error) ? Infinity : performance.now() + pause }
        end(self, error)
        throw error
      },
    )
    self.ready.catch(() => undefined)
    return self
  }

  function settled({ child, pending }: Running, id: number): Pending | undefined {
    const call = pending.get(id)
    clearTimeout(call?.timer)
    pending.delete(id)
    if (pending.size === 0) {
      child.unref()
      child.channel?.unref()
    }
    return call
  }

  /** Whoever waits for it hears why; the next request starts another. */
  function end(self: Running, reason: Error): void {
    if (running === self) running = undefined
    self.child.kill('SIGKILL')
    for (const id of self.pending.keys()) settled(self, id)?.reject(reason)
  }

  function ask(self: Running, work: Work): Promise<unknown> {
    if (self.pending.size >= mostPending) throw unavailable('too many requests wait for it')
    const { child, pending } = self
    const id = ids++
    return new Promise((resolve, reject) => {
      const late = () => {
        log.error({ token: login.label, what: work.what }, 'the PKCS#11 token does not answer')
        end(self, unavailable(`no answer within ${bounds[work.what]} ms`))
      }
      pending.set(id, { resolve, reject, timer: setTimeout(late, bounds[work.what]) })
      child.ref()
      child.channel?.ref()
      child.send({ id, work } satisfies Request, (error) => {
        if (error) end(self, new Lost(error.message))
      })
    })
  }

  async function attempt(work: Work): Promise<unknown> {
    if (!running && failed && performance.now() < failed.until) throw failed.error
    running ??= start()
    const self = running
    await self.ready
    try {
      return await ask(self, work)
    } catch (error) {
      if (error instanceof Lost) end(self, error)
      throw error
    }
  }

  return {
    label: login.label,
    async perform<Result>(work: Work) {
      try {
        return (await attempt(work).catch((error: unknown) => {
          if (!(error instanceof Lost)) throw error
          log.warn({ token: login.label, err: error }, 'lost the PKCS#11 token')
          return attempt(work)
        })) as Result
      } catch (error) {
        throw error instanceof Lost ? unavailable(error.message, error) : error
      }
    },
    async close() {
      const child = running?.child
      if (!child) return
      const ended = new Promise((resolve) => void child.once('exit', resolve))
      child.ref()
      // It logs out by ending; SIGKILL follows if the library does not let it.
      child.disconnect()
      const timer = setTimeout(() => child.kill('SIGKILL'), 1000)
      await ended
      clearTimeout(timer)
    },
  }
}
