import { DomainError } from '../errors.ts'
import type { Log } from '../log.ts'
import { type Link, openLink, TokenFault, type Work } from './pkcs11-link.ts'

/** A PKCS#11 token, used by a separate process that is started at the first use and after each failure. */
export interface Token {
  readonly label: string
  /**
   * Performs work in bounded time; again in a new process if the token was lost.
   * @throws DomainError `signing_unavailable`
   */
  perform<Result>(work: Exclude<Work, { what: 'login' | 'alive' }>): Promise<Result>
  close(): Promise<void>
}

export interface TokenOptions {
  module: string
  label: string
  pin: string
  /** The whole environment of the process that loads the library. */
  env: Readonly<Record<string, string>>
}

/** Milliseconds before a new process follows one that did no work; doubles with each such process in a row. */
const pause = { first: 1000, longest: 10_000 }

interface Running {
  link: Link
  ready: Promise<unknown>
}

export function createToken({ env, ...login }: TokenOptions, log: Log): Token {
  let running: Running | undefined
  /** All processes that have not ended, including retired ones. */
  const links = new Set<Link>()
  /** What ended the last process, and until when it is the answer to new requests. */
  let failed: { fault: DomainError | TokenFault; until: number } | undefined
  /** Processes in a row that did no work. */
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
      // A process that has worked may be replaced at once.
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
          // A refusal is final: a token counts refused PINs.
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

  /** After a failed login, one more process may be tried, whatever the library said. */
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
          log.warn({ label: login.label, err: error }, 'lost the PKCS#11 token; trying again')
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
