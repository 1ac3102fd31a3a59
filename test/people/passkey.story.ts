import { expect } from 'chai'
import { decodeJwt } from 'jose'
import {
  type Lies,
  optionsOn,
  type passkeyOwner,
  type SoftKey,
  showPasskey,
} from '../support/authenticator.ts'
import type { TestServer } from '../support/boot.ts'
import { web } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import { redeem, tokensIn } from '../support/protocol.ts'
import type { UserAgent } from '../support/user-agent.ts'
import { arrive, expectFormAgain, headingOf, textOf, type Visit } from './story.ts'

export type Owner = Awaited<ReturnType<typeof passkeyOwner>>

/** Steps of the passkey tests. @param booted the server, once it runs */
export function passkeyStory(booted: () => TestServer) {
  const originOf = () => new URL(booted().issuer).origin
  const sendAlone = ({ agent, page }: Visit, credential: string) =>
    agent.submit(page, { form: '#passkey-form', fields: { credential } })

  /** The response of the key to the request on the page. */
  const answer = ({ page }: Visit, key: SoftKey, lies?: Lies) =>
    showPasskey(key, optionsOn(page), originOf(), lies)

  async function atFactor(owner: Pick<Owner, 'username' | 'password'>): Promise<Visit> {
    const { agent, page } = await arrive(booted(), web)
    const { username, password } = owner
    const next = await agent.follow(await agent.submit(page, { fields: { username, password } }))
    expect(headingOf(next)).to.equal('Confirm that it is you')
    return { agent, page: next }
  }

  async function expectSignedOut(agent: UserAgent): Promise<void> {
    const { page } = await arrive(booted(), web, { prompt: 'none' }, agent)
    expect(page.location?.searchParams.get('error')).to.equal('login_required')
  }

  async function claimsAfter({ agent }: Visit, answered: Page) {
    expect(answered.status, textOf(answered)).to.equal(303)
    const consent = await agent.follow(answered)
    const done = consent.location ? consent : await agent.follow(await agent.submit(consent))
    const code = done.location?.searchParams.get('code') ?? ''
    const { amr, acr } = decodeJwt(tokensIn(await redeem(booted(), web, code)).access_token)
    return { amr, acr }
  }

  const expectRefused = (page: Page) => expectFormAgain(page, 403, 'login-form', /did not work/)
  const expectFactorRefused = (page: Page) =>
    expectFormAgain(page, 403, 'passkey-form', /did not work/)

  return {
    originOf,
    sendAlone,
    answer,
    atFactor,
    expectSignedOut,
    claimsAfter,
    expectRefused,
    expectFactorRefused,
  }
}
