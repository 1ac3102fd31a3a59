import type { Platform } from '../platform.ts'
import { equalInConstantTime, newHandle } from '../secrets/handle.ts'

/**
 * The browsers that an account knows: a cookie with our MAC, bound to the account (OWASP, device cookies). It grants
 * nothing; it only gives this browser a count of guesses of its own, which strangers cannot use up.
 *
 * | known by                         | counts for                                                                  |
 * |----------------------------------|-----------------------------------------------------------------------------|
 * | a finished sign-in               | all guesses; later sign-ins are not from a new device                       |
 * | a password chosen by mailed link | guesses at the password and at mailed codes; nobody has signed in there yet |
 *
 * So neither a mailbox nor a leaked link gives extra guesses at a second factor, or hides a sign-in from a new device.
 * Nor does a browser in which somebody was signed in when the account was signed out everywhere.
 */
export interface KnownDevices {
  /** Whether this server issued the cookie, for any account. */
  isOurs(cookie: string | undefined, tenant: string): boolean
  /**
   * The id of the browser, if a user has signed in to this account with it.
   * @param after not before this second of the epoch
   */
  find(
    cookie: string | undefined,
    tenant: string,
    accountId: string,
    after?: number,
  ): string | undefined
  /** The same, or if a password of the account was chosen there by a mailed link. */
  findMailed(cookie: string | undefined, tenant: string, accountId: string): string | undefined
  /** The new cookie value after a sign-in: with this account added. */
  add(cookie: string | undefined, tenant: string, accountId: string): string
  /** The new cookie value after a password was chosen by a mailed link; earlier sign-ins stay in it. */
  addMailed(cookie: string | undefined, tenant: string, accountId: string): string
}

/** How a browser became known. It is the purpose of the MAC, so that one kind never passes for the other. */
const kinds = ['known-device', 'known-device:mailed'] as const
type Kind = (typeof kinds)[number]

/** Seconds that a browser stays known after the last sign-in. */
export const deviceLife = 31_536_000
/** Most accounts in one browser's cookie. */
const mostEntries = 5

const entryPattern = /^([\w-]{43})\.(\d{1,12})\.([\w-]{43})\.([\w-]{43})$/

export function createKnownDevices({
  sealer,
  clock,
}: Pick<Platform, 'sealer' | 'clock'>): KnownDevices {
  /** A name of the account that only we can link to it, different in each browser. */
  const nameOf = (tenant: string, accountId: string, id: string) =>
    sealer.mac('known-device:account', JSON.stringify([tenant, accountId, id]))
  const sign = (kind: Kind, tenant: string, id: string, since: string, name: string) =>
    sealer.mac(kind, JSON.stringify([tenant, id, since, name]))

  /** The entries that are not expired. */
  function entriesOf(cookie = ''): string[] {
    const oldest = clock.seconds() - deviceLife
    return cookie
      .split('~')
      .slice(0, mostEntries)
      .filter((entry) => Number(entryPattern.exec(entry)?.[2] ?? 0) > oldest)
  }

  function kindOf(entry: string, tenant: string): Kind | undefined {
    const [, id = '', since = '', name = '', mac = ''] = entryPattern.exec(entry) ?? []
    return kinds.find((kind) => equalInConstantTime(mac, sign(kind, tenant, id, since, name)))
  }

  /** The entries of an account, in the order of the cookie. */
  function entriesFor(cookie: string | undefined, tenant: string, accountId: string) {
    return entriesOf(cookie).flatMap((entry) => {
      const [, id = '', since, name = ''] = entryPattern.exec(entry) ?? []
      if (!equalInConstantTime(name, nameOf(tenant, accountId, id))) return []
      const kind = kindOf(entry, tenant)
      return kind === undefined ? [] : [{ entry, id, kind, since: Number(since) }]
    })
  }

  /** @param replaced the kinds whose entries for this account it replaces */
  function added(
    kind: Kind,
    cookie: string | undefined,
    tenant: string,
    accountId: string,
    replaced: readonly Kind[],
  ): string {
    const old = entriesFor(cookie, tenant, accountId)
      .filter((each) => replaced.includes(each.kind))
      .map(({ entry }) => entry)
    const others = entriesOf(cookie).filter((entry) => !old.includes(entry))
    const [id, since] = [newHandle(), String(clock.seconds())]
    const name = nameOf(tenant, accountId, id)
    const own = `${id}.${since}.${name}.${sign(kind, tenant, id, since, name)}`
    return [own, ...others].slice(0, mostEntries).join('~')
  }

  return {
    isOurs: (cookie, tenant) =>
      entriesOf(cookie).some((entry) => kindOf(entry, tenant) !== undefined),
    find: (cookie, tenant, accountId, after = 0) =>
      entriesFor(cookie, tenant, accountId).find(
        ({ kind, since }) => kind === 'known-device' && since >= after,
      )?.id,
    findMailed: (cookie, tenant, accountId) => entriesFor(cookie, tenant, accountId)[0]?.id,
    add: (cookie, tenant, accountId) => added('known-device', cookie, tenant, accountId, kinds),
    addMailed: (cookie, tenant, accountId) =>
      added('known-device:mailed', cookie, tenant, accountId, ['known-device:mailed']),
  }
}
