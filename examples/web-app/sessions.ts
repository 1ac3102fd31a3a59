import { createHash, randomBytes } from 'node:crypto'
import type { IDToken } from 'openid-client'
import type { Tokens } from './client.ts'

/** A person who is signed in to this app, in one browser. The tokens never leave this process. */
export interface Session {
  /** Who it is, from the ID token. */
  claims: IDToken
  idToken: string
  accessToken: string
  refreshToken: string
  /** When the access token expires; milliseconds since 1970. */
  expiresAt: number
  /** A refresh that is under way, for all requests that need it. */
  refreshing?: Promise<void> | undefined
  /** What happened, the newest first: for the page. */
  story: Event[]
}

export interface Event {
  at: Date
  title: string
  /** Rows for the page: what, and what it is. */
  details: [string, string][]
  outcome: 'good' | 'bad'
}

/** Milliseconds: who signed in longer ago does so again, whatever happened in between. */
const lifetime = 12 * 60 * 60_000

/**
 * The sessions of this app, by the hash of the value in the cookie: whoever reads the memory of the process, or the
 * database that an app with more than one process has in its place, finds nothing that opens a session.
 */
export function createSessions() {
  const live = new Map<string, Session & { endsAt: number }>()
  /** Why a session is gone, to be told once. */
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
    /** A new session has a new handle, so that nobody can have planted it before (session fixation). */
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
    /** Why the session of this handle is gone. */
    farewell: (handle: string | undefined) =>
      handle === undefined ? undefined : farewells.get(key(handle))?.text,
    end,
    /** Ends what a logout token names: one session (`sid`), or all of the person (`sub` alone). */
    endAll({ sid, sub }: { sid?: string; sub?: string }, farewell: string): void {
      for (const session of live.values()) {
        const { claims } = session
        if (sid === undefined ? claims.sub === sub : claims['sid'] === sid) end(session, farewell)
      }
    },
  }
}

/**
 * Takes what a refresh brought.
 * @throws Error when it is of another person, which must never be (OpenID Connect Core §12.2)
 */
export function renew(session: Session, tokens: Tokens): void {
  const claims = tokens.claims() ?? session.claims
  if (claims.sub !== session.claims.sub) throw new Error('the refresh brought another person')
  session.claims = claims
  session.refreshToken = tokens.refresh_token ?? session.refreshToken
  session.accessToken = tokens.access_token
  session.expiresAt = expiryOf(tokens)
  session.idToken = tokens.id_token ?? session.idToken
}

function expiryOf(tokens: Tokens): number {
  return Date.now() + (tokens.expiresIn() ?? 0) * 1000
}
