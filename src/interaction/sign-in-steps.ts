import type { Context } from 'koa'
import type { MustChange } from '../accounts/authenticated.ts'
import { createSignInMarks } from '../oidc/sign-in-marks.ts'
import { hashOf } from '../secrets/handle.ts'
import type { PageParts } from './parts.ts'

/** The password was right, but is a one-time password or now too short: its owner must choose another. */
export interface PasswordStep extends MustChange {
  stage: 'password'
  email: string
}

/** The password was right; a second factor is required. */
export interface FactorStep {
  stage: 'factor'
  accountId: string
  email: string
  /** When the password was checked, in milliseconds. */
  verifiedAt: number
  /** Id of this sign-in, for counting its tries. */
  attempt: string
}

/** The password was right; an app or passkey must be set up, then its recovery codes saved. */
export interface SetUpStep {
  stage: 'set_up' | 'codes'
  accountId: string
  email: string
  verifiedAt: number
  /** The secret of the app, base32. */
  secret: string
  /** Whether a passkey was created. It must be used next: its creation proves nothing. */
  withPasskey?: true
  /** When the first code of the app was shown, in milliseconds. */
  shownAt?: number
}

/** The password was right; a mailed code is required, which is bound to `attempt`. */
export interface EmailCodeStep extends Omit<FactorStep, 'stage'> {
  stage: 'email_code'
}

export type SignInStep = PasswordStep | FactorStep | SetUpStep | EmailCodeStep

/** Seconds that a step is kept. */
export const stepTtl = 600

/**
 * The state between the steps of a sign-in: one step per interaction, valid only in the browser in which the password
 * was given, even if others have the interaction's cookie.
 */
export interface SignInSteps {
  find(ctx: Context, uid: string): Promise<SignInStep | undefined>
  /** Replaces the current step. */
  begin(ctx: Context, uid: string, step: SignInStep): Promise<void>
  end(uid: string): Promise<void>
}

/** Sealed for its interaction, so that write access to the short-lived store does not suffice to forge a step. */
export function createSignInSteps(parts: PageParts): SignInSteps {
  const { tenant, shortLived, sealer, clock } = parts
  const marks = createSignInMarks(parts)
  const keyOf = (uid: string) => ({ tenant, model: 'SignInStep', id: hashOf(uid) })
  const purpose = (uid: string) => `sign-in-step:${tenant}:${hashOf(uid)}`

  return {
    async find(ctx, uid) {
      const stored = (await shortLived.get(keyOf(uid))) as { sealed: string } | undefined
      if (!stored) return undefined
      const step = JSON.parse(sealer.artifacts.open(purpose(uid), stored.sealed)) as SignInStep
      // A step restored from a backup has expired, whatever the store says.
      const isOver = 'verifiedAt' in step && step.verifiedAt + stepTtl * 1000 <= clock.now()
      return isOver || !marks.isHere(ctx, uid, step.accountId) ? undefined : step
    },
    async begin(ctx, uid, step) {
      const sealed = sealer.artifacts.seal(purpose(uid), JSON.stringify(step))
      await shortLived.put(keyOf(uid), { sealed }, stepTtl)
      marks.give(ctx, uid, step.accountId)
    },
    end: (uid) => shortLived.delete(keyOf(uid)),
  }
}
