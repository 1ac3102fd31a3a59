import type { Clock } from '../clock.ts'
import { equalInConstantTime, newHandle } from '../secrets/handle.ts'
import type { Sealer } from '../secrets/seal.ts'

/**
 * Which browsers an account has signed in with: a cookie that says so, with our MAC, bound to the account (OWASP,
 * device cookies). It grants nothing; whoever has it guesses within a count of its own, which strangers cannot use up.
 */
export interface KnownDevices {
  /** Whether it is one of ours, for whichever account. */
  isOurs(cookie: string | undefined, tenant: string): boolean
  /** The id of the browser, when it is known to this account. */
  find(cookie: string | undefined, tenant: string, accountId: string): string | undefined
  /** The cookie after a sign-in: what it was, and this account. */
  add(cookie: string | undefined, tenant: string, accountId: string): string
}

/** Seconds that a browser stays known after the last sign-in. */
export const deviceLife = 31_536_000
/** Accounts that one browser is known to. */
const mostAccounts = 5

const entryPattern = /^([\w-]{43})\.(\d{1,12})\.([\w-]{43})\.([\w-]{43})$/

export function createKnownDevices({
  sealer,
  clock,
}: {
  sealer: Sealer
  clock: Clock
}): KnownDevices {
  /** Names the account to nobody else, and in each browser in another way. */
  const nameOf = (tenant: string, accountId: string, id: string) =>
    sealer.mac('known-device:account', JSON.stringify([tenant, accountId, id]))
  const sign = (tenant: string, id: string, since: string, name: string) =>
    sealer.mac('known-device', JSON.stringify([tenant, id, since, name]))

  /** Only entries that may still count. */
  function entriesOf(cookie = ''): string[] {
    const oldest = clock.seconds() - deviceLife
    return cookie
      .split('~')
      .slice(0, mostAccounts)
      .filter((entry) => Number(entryPattern.exec(entry)?.[2] ?? 0) > oldest)
  }

  function isSigned(entry: string, tenant: string): boolean {
    const [, id = '', since = '', name = '', mac = ''] = entryPattern.exec(entry) ?? []
    return equalInConstantTime(mac, sign(tenant, id, since, name))
  }

  function belongs(entry: string, tenant: string, accountId: string): string | undefined {
    const [, id = '', , name = ''] = entryPattern.exec(entry) ?? []
    const isTheirs = equalInConstantTime(name, nameOf(tenant, accountId, id))
    return isTheirs && isSigned(entry, tenant) ? id : undefined
  }

  return {
    isOurs: (cookie, tenant) => entriesOf(cookie).some((entry) => isSigned(entry, tenant)),
    find(cookie, tenant, accountId) {
      for (const entry of entriesOf(cookie)) {
        const id = belongs(entry, tenant, accountId)
        if (id !== undefined) return id
      }
      return undefined
    },
    add(cookie, tenant, accountId) {
      const others = entriesOf(cookie).filter(
        (entry) => belongs(entry, tenant, accountId) === undefined,
      )
      const [id, since] = [newHandle(), String(clock.seconds())]
      const name = nameOf(tenant, accountId, id)
      const own = `${id}.${since}.${name}.${sign(tenant, id, since, name)}`
      return [own, ...others].slice(0, mostAccounts).join('~')
    },
  }
}
