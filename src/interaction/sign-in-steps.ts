import type { Context } from 'koa'
import type { MustChange } from '../accounts/authenticated.ts'
import { createSignInMarks } from '../oidc/sign-in-marks.ts'
import { hashOf } from '../secrets/handle.ts'
import type { PageParts } from './parts.ts'

/** A password was right that is for one use, or too short by now: its owner chooses another. */
export interface PasswordStep extends MustChange {
  stage: 'password'
  email: string
}

/** A password was right, and a second factor is asked for. */
export interface FactorStep {
  stage: 'factor'
  accountId: string
  email: string
  /** When the password was checked, in milliseconds. */
  verifiedAt: number
  /** Names this sign-in, for counting its tries. */
  attempt: string
}

/** A password was right, and an app or a passkey has to be set up; then its recovery codes are kept. */
export interface SetUpStep {
  stage: 'set_up' | 'codes'
  accountId: string
  email: string
  verifiedAt: number
  /** Of the app, base32. */
  secret: string
  /** Whether it is a passkey that was made, which is shown next: making it proves nothing. */
  withPasskey?: true
  /** When the app made its first code, in milliseconds. */
  shownAt?: number
}

/** A password was right, and a code that was mailed is asked for; `attempt` is what it is bound to. */
export interface EmailCodeStep extends Omit<FactorStep, 'stage'> {
  stage: 'email_code'
}

export type SignInStep = PasswordStep | FactorStep | SetUpStep | EmailCodeStep

/** Seconds that a step waits for its person. */
export const stepTtl = 600

/**
 * What is remembered between the steps of a sign-in: one step for an interaction, in the browser in which the password
 * was shown, whoever else has the cookie of the interaction.
 */
export interface SignInSteps {
  find(ctx: Context, uid: string): Promise<SignInStep | undefined>
  /** In place of whichever step there was. */
  begin(ctx: Context, uid: string, step: SignInStep): Promise<void>
  end(uid: string): Promise<void>
}

/** Sealed for its interaction, so that whoever could write to the short-lived store makes no step of his own. */
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
      // One that came back from a backup is over, whatever the store says.
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
