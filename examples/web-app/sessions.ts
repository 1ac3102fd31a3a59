import { createHash, randomBytes } from 'node:crypto'
import type { IDToken } from 'openid-client'
import type { Tokens } from './client.ts'

/** A signed-in user in one browser. The tokens never leave this process. */
export interface Session {
  /** The user, from the ID token. */
  claims: IDToken
  idToken: string
  accessToken: string
  refreshToken: string
  /** When the access token expires; milliseconds since 1970. */
  expiresAt: number
  /** A refresh in progress, shared by all requests that need it. */
  refreshing?: Promise<void> | undefined
  /** What happened, newest first: for the page. */
  story: Event[]
}

export interface Event {
  at: Date
  title: string
  /** Rows for the page: label and value. */
  details: [string, string][]
  outcome: 'good' | 'bad'
}

/** Milliseconds after which a session ends, whatever its activity. */
const lifetime = 12 * 60 * 60_000

/**
 * The sessions of this app, by the hash of the cookie value: reading the memory of the process (or the database, in an
 * app with more than one process) yields nothing that opens a session.
 */
export function createSessions() {
  const live = new Map<string, Session & { endsAt: number }>()
  /** Why a session ended, to be shown once. */
  const farewells = new Map<string, { text: string; endsAt: number }>()
  const key = (handle: string) => createHash('sha256').update(handle).digest('base64url')

  function sweep(): void {
    const now = Date.now()
    for (const kept of [live, farewells]) {
      for (const [id, { endsAt }] of kept) if (endsAt <= now) kept.delete(id)
    }
  }
  setInterval(sweep, 60_000).unref()

  function end(session: Session, farewell: string): void {
    for (const [id, each] of live) {
      if (each !== session) continue
      live.delete(id)
      farewells.set(id, { text: farewell, endsAt: Date.now() + 600_000 })
    }
  }

  return {
    /** A new session always gets a new handle, against session fixation. */
    begin(tokens: Tokens): string {
      const claims = tokens.claims()
      if (!claims || !tokens.id_token || !tokens.refresh_token)
        throw new Error('tokens are missing')
      const handle = randomBytes(32).toString('base64url')
      live.set(key(handle), {
        claims,
        idToken: tokens.id_token,
        accessToken: tokens.access_token,
        refreshToken: tokens.refresh_token,
        expiresAt: expiryOf(tokens),
        story: [],
        endsAt: Date.now() + lifetime,
      })
      return handle
    },
    get(handle: string | undefined): Session | undefined {
      const session = handle === undefined ? undefined : live.get(key(handle))
      return session && session.endsAt > Date.now() ? session : undefined
    },
    /** Why the session of this handle ended. */
    farewell: (handle: string | undefined) =>
      handle === undefined ? undefined : farewells.get(key(handle))?.text,
    end,
    /** Ends the sessions that a logout token names: one (`sid`), or all of a user (`sub` alone). */
    endAll({ sid, sub }: { sid?: string; sub?: string }, farewell: string): void {
      for (const session of live.values()) {
        const { claims } = session
        if (sid === undefined ? claims.sub === sub : claims['sid'] === sid) end(session, farewell)
      }
    },
  }
}

/**
 * Stores the tokens of a refresh.
 * @throws Error when the `sub` has changed, which is forbidden (OpenID Connect Core §12.2)
 */
export function renew(session: Session, tokens: Tokens): void {
  const claims = tokens.claims() ?? session.claims
  if (claims.sub !== session.claims.sub)
    throw new Error('the refresh returned tokens of another user')
  session.claims = claims
  session.refreshToken = tokens.refresh_token ?? session.refreshToken
  session.accessToken = tokens.access_token
  session.expiresAt = expiryOf(tokens)
  session.idToken = tokens.id_token ?? session.idToken
}

function expiryOf(tokens: Tokens): number {
  return Date.now() + (tokens.expiresIn() ?? 0) * 1000
}
