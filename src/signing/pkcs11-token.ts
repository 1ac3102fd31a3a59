import { DomainError } from '../errors.ts'
import type { Log } from '../log.ts'
import { type Link, openLink, TokenFault, type Work } from './pkcs11-link.ts'

/** A PKCS#11 token, in the hands of a process of its own, which is started at the first use and after each failure. */
export interface Token {
  readonly label: string
  /**
   * Does it, in a new process once more when the token was lost; in a bounded time.
   * @throws DomainError `signing_unavailable`
   */
  perform<Result>(work: Exclude<Work, { what: 'login' | 'alive' }>): Promise<Result>
  close(): Promise<void>
}

export interface TokenOptions {
  module: string
  label: string
  pin: string
  /** The environment that the library sees, and nothing else of this process's. */
  env: Readonly<Record<string, string>>
}

/** Milliseconds until another process is started after one that has come to nothing; doubles with each in a row. */
const pause = { first: 1000, longest: 10_000 }

interface Running {
  link: Link
  ready: Promise<unknown>
}

export function createToken({ env, ...login }: TokenOptions, log: Log): Token {
  let running: Running | undefined
  /** Those that were let go, until they are gone. */
  const links = new Set<Link>()
  /** What ended the last process; until when it stands for the next requests. */
  let failed: { fault: DomainError | TokenFault; until: number } | undefined
  /** Processes in a row that have done nothing. */
  let fruitless = 0

  const unavailable = (message: string, cause?: unknown) =>
    new DomainError('signing_unavailable', {
      detail: `PKCS#11 token ${JSON.stringify(login.label)}: ${message}.`,
      cause,
    })

  function start(): Running {
    let isIn = false
    const link = openLink({ label: login.label, env, log }, (fault) => {
      links.delete(link)
      if (running?.link === link) running = undefined
      // What has worked for a while may well work again.
      fruitless = link.hasWorked() ? 0 : fruitless + 1
      const doublings = fruitless - (isIn ? 2 : 1)
      const wait = doublings < 0 ? 0 : Math.min(pause.longest, pause.first * 2 ** doublings)
      if (failed?.until !== Infinity) failed = { fault, until: performance.now() + wait }
    })
    links.add(link)
    const self: Running = {
      link,
      ready: link.ask({ what: 'login', ...login }).then(
        () => {
          isIn = true
          log.info({ label: login.label }, 'logged in to the PKCS#11 token')
        },
        (fault: TokenFault) => {
          // Neither is asked again: a token that refuses a PIN counts how often.
          if (fault.kind === 'refusal') {
            failed = { fault: unavailable(fault.message), until: Infinity }
          }
          link.end(fault)
          throw failed?.until === Infinity ? failed.fault : lostBy(fault)
        },
      ),
    }
    self.ready.catch(() => undefined)
    return self
  }

  /** The start of a process may be tried once more whatever the library says of it. */
  const lostBy = ({ message }: TokenFault) => new TokenFault({ message, kind: 'lost' })

  async function attempt(work: Work): Promise<unknown> {
    if (!running && failed && performance.now() < failed.until) throw failed.fault
    running ??= start()
    const self = running
    await self.ready
    try {
      return await self.link.ask(work)
    } catch (error) {
      if (error instanceof TokenFault && error.kind === 'lost') {
        if (running === self) running = undefined
        self.link.retire()
      }
      throw error
    }
  }

  return {
    label: login.label,
    async perform<Result>(work: Work) {
      try {
        return (await attempt(work).catch((error: unknown) => {
          if (!(error instanceof TokenFault && error.kind === 'lost')) throw error
          log.warn({ label: login.label, err: error }, 'lost the PKCS#11 token')
          return attempt(work)
        })) as Result
      } catch (error) {
        throw error instanceof TokenFault ? unavailable(error.message, error) : error
      }
    },
    async close() {
      await Promise.all([...links].map((link) => link.close()))
    },
  }
}
