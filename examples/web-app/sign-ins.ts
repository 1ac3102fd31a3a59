import { randomBytes, timingSafeEqual } from 'node:crypto'
import type { SignIn } from './client.ts'

/** Milliseconds that a user may take to sign in. */
const patience = 10 * 60_000
/** Most sign-ins in progress: abandoned ones must not fill the memory. */
const most = 10_000

/** Sign-ins in progress, each for one browser and one use. A browser may have several, in tabs. */
export function createSignIns() {
  const begun = new Map<string, SignIn & { browser: string; endsAt: number }>()

  return {
    /**
     * @param known this browser's cookie value, if it has one
     * @returns the value to set
     */
    keep(signIn: SignIn, known: string | undefined): string {
      const browser = known ?? randomBytes(32).toString('base64url')
      const [oldest] = begun.keys()
      if (begun.size >= most && oldest !== undefined) begun.delete(oldest)
      begun.set(signIn.state, { ...signIn, browser, endsAt: Date.now() + patience })
      return browser
    },
    /** Returns and removes what was kept for this state. */
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
