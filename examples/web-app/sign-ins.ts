import { randomBytes, timingSafeEqual } from 'node:crypto'
import type { SignIn } from './client.ts'

/** Milliseconds that a person may take at the authorization server. */
const patience = 10 * 60_000
/** Whoever begins and never comes back must not fill the memory. */
const most = 10_000

/** Sign-ins that were begun, each for one browser and one use. Several tabs may be at it. */
export function createSignIns() {
  const begun = new Map<string, SignIn & { browser: string; endsAt: number }>()

  return {
    /**
     * @param known what the cookie of this browser says, if it has one
     * @returns what the cookie has to say
     */
    keep(signIn: SignIn, known: string | undefined): string {
      const browser = known ?? randomBytes(32).toString('base64url')
      const [oldest] = begun.keys()
      if (begun.size >= most && oldest !== undefined) begun.delete(oldest)
      begun.set(signIn.state, { ...signIn, browser, endsAt: Date.now() + patience })
      return browser
    },
    /** What was kept for this state; it is gone then. */
    take(state: string, browser: string | undefined): SignIn | undefined {
      const signIn = begun.get(state)
      if (!signIn || browser === undefined || !same(signIn.browser, browser)) return undefined
      begun.delete(state)
      return signIn.endsAt > Date.now() ? signIn : undefined
    },
  }
}

function same(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))
}
