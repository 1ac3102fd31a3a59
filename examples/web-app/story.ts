import { createHash } from 'node:crypto'
import { accessClaims, readable } from './pages.ts'
import type { Event, Session } from './sessions.ts'

/** A displayable name of a refresh token, the same as in `families show`. It grants nothing. */
const nameOf = (refreshToken: string) =>
  createHash('sha256').update(refreshToken).digest('base64url').slice(0, 10)

function tell(session: Session, event: Omit<Event, 'at'>): void {
  session.story.unshift({ at: new Date(), ...event })
  session.story.splice(8)
}

/** @param before the session before the refresh */
export function tellRefresh(session: Session, before: Session): void {
  const [was, is] = [accessClaims(before), accessClaims(session)]
  tell(session, {
    title: 'Refreshed',
    outcome: 'good',
    details: [
      ['refresh token', `${nameOf(before.refreshToken)} → ${nameOf(session.refreshToken)}`],
      ['access token (jti)', `${readable(was['jti'])} → ${readable(is['jti'])}`],
      ['family (fid), as before', readable(is['fid'])],
      ['session (sid), as before', readable(is['sid'])],
    ],
  })
}

export async function tellCall(session: Session, what: string, response: Response): Promise<void> {
  const challenge = response.headers.get('WWW-Authenticate')
  tell(session, {
    title: `${what[0]?.toUpperCase()}${what.slice(1)}: ${response.status}`,
    outcome: response.ok ? 'good' : 'bad',
    details: [
      ...(challenge === null ? [] : [['WWW-Authenticate', challenge] as [string, string]]),
      ['the API answered', await response.text()],
    ],
  })
}

export function tellRevoked(session: Session): void {
  tell(session, {
    title: 'Revoked',
    outcome: 'bad',
    details: [
      ['ended', `the family ${readable(accessClaims(session)['fid'])}`],
      [
        'what now',
        'the API verifies tokens itself and is notified: within half a second it refuses this one',
      ],
    ],
  })
}
