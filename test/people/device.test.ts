import { expect } from 'chai'
import { decodeJwt } from 'jose'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import {
  allowDevice,
  askFor,
  enterCode,
  finishSteps,
  outcomeOf,
  startDevice,
} from '../support/devices.ts'
import { alice, furnish, tv } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import { expectRefusal, tokensIn } from '../support/protocol.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'
import { credentials, expectFormAgain, headingOf, textOf } from './story.ts'

const bob = { email: 'bob@example.com', name: 'Bob', password: 'a caterpillar on a mushroom 7' }

onAnyStorage('people: connecting a device', (kind) => {
  const server = booted(kind, {}, furnish)
  before(async () => {
    remember(bob.password)
    await server.core.accounts.declare('default', bob)
  })

  const formOf = (page: Page) => page.root.querySelector('form')?.id

  it('leads from the code through comparison, sign-in and consent to the end, each page saying what it is about (P-034, ASVS 10.7.2)', async () => {
    const device = await startDevice(server)
    const agent = createUserAgent()
    const confirm = await enterCode(server, agent, device.user_code)
    expect(headingOf(confirm)).to.equal('Connect Example television to your account?')
    expect(confirm.root.querySelector('#user_code')?.getAttribute('value')).to.equal(
      device.user_code,
    )
    expect(textOf(confirm)).to.include('on a device you have in front of you')

    const login = await agent.follow(await agent.submit(confirm))
    expect(formOf(login)).to.equal('login-form')
    expect(textOf(login)).to.include('Example television')
    const consent = await agent.follow(await agent.submit(login, { fields: credentials }))
    expect(headingOf(consent)).to.equal('Allow Example television to use your account?')
    expect(consent.root.querySelector('#user-code')?.textContent).to.equal(device.user_code)
    expect(consent.root.querySelector('#redirect-host')).to.equal(null)
    expect(textOf(consent)).not.to.include('your own computer')
    const done = await agent.follow(await agent.submit(consent))
    expect([done.status, outcomeOf(done)]).to.deep.equal([200, 'allowed'])
    tokensIn(await askFor(server, device))
  })

  it('only fills the form from a link that contains the code, even when signed in (P-034)', async () => {
    const agent = await allowDevice(server, await startDevice(server))
    const device = await startDevice(server)
    const form = await agent.get(device.verification_uri_complete)
    expect(form.root.querySelector('#user_code')?.getAttribute('value')).to.equal(device.user_code)
    expectRefusal(await askFor(server, device), 400, 'authorization_pending')
    const right = await agent.submit(form)
    expect(right.status, 'P-013').to.equal(303)
    const confirm = await agent.follow(right)
    expect(formOf(confirm)).to.equal('confirm-form')
    expectRefusal(await askFor(server, device), 400, 'slow_down')
    expect(outcomeOf(await finishSteps(agent, confirm))).to.equal('allowed')
  })

  it('accepts a code in any case and with any separators', async () => {
    const { user_code } = await startDevice(server)
    const letters = user_code.replace('-', '')
    for (const typed of [
      letters,
      user_code.toLowerCase(),
      ` ${letters.split('').join(' ')} `,
      user_code.replace('-', '–'),
      letters.split('').join('.'),
    ]) {
      const page = await enterCode(server, createUserAgent(), typed)
      expect(formOf(page), typed).to.equal('confirm-form')
    }
  })

  it('is denied by a no at any step: comparison, sign-in or consent', async () => {
    for (const [step, button] of [
      [1, '#deny'],
      [2, '#cancel'],
      [3, '#deny'],
    ] as const) {
      const device = await startDevice(server, { scope: `openid email offline_access` })
      const agent = createUserAgent()
      let page = await enterCode(server, agent, device.user_code)
      if (step > 1) page = await agent.follow(await agent.submit(page))
      if (step > 2) page = await agent.follow(await agent.submit(page, { fields: credentials }))
      const input = button === '#cancel' ? { form: '#cancel-form' } : { button }
      const answer = await agent.submit(page, input)
      expect(answer.status, `${button}: a reload sends nothing again`).to.equal(303)
      const end = await agent.follow(answer)
      expect([end.status, outcomeOf(end)], button).to.deep.equal([200, 'denied'])
      expectRefusal(await askFor(server, device), 400, 'access_denied')
      expect(formOf(await enterCode(server, agent, device.user_code))).to.equal('device-form')
    }
  })

  it('treats every decision but "continue" as a denial', async () => {
    const device = await startDevice(server)
    const agent = createUserAgent()
    const confirm = await enterCode(server, agent, device.user_code)
    const csrf = confirm.root.querySelector('[name=csrf]')?.getAttribute('value') ?? ''
    const { user_code } = device
    const address = `${server.issuer}/device/confirm`
    const end = await agent.follow(
      await agent.post(address, { csrf, user_code, decision: 'Continue' }),
    )
    expect(outcomeOf(end)).to.equal('denied')
  })

  it('can be started again with the same code after giving up', async () => {
    const device = await startDevice(server)
    const agent = createUserAgent()
    await agent.follow(await agent.submit(await enterCode(server, agent, device.user_code)))
    await allowDevice(server, device, agent)
    tokensIn(await askFor(server, device))
  })

  it('cannot skip the comparison, and refuses forms of other sites (C23)', async () => {
    const device = await startDevice(server)
    const other = await startDevice(server)
    const agent = createUserAgent()
    const form = await agent.get(device.verification_uri_complete)
    const tokenOf = (page: Page) =>
      page.root.querySelector('[name=csrf]')?.getAttribute('value') ?? ''
    const confirm = await agent.follow(await agent.submit(form))
    const at = (path: string) => server.issuer + path
    const decision = 'continue'
    const { user_code } = device
    const stranger = createUserAgent()
    for (const [who, path, fields, headers] of [
      [agent, '/device/confirm', { csrf: tokenOf(form), user_code, decision }, {}],
      [
        agent,
        '/device/confirm',
        { csrf: tokenOf(confirm), user_code: other.user_code, decision },
        {},
      ],
      [agent, '/device/confirm', { user_code, decision }, {}],
      [stranger, '/device/confirm', { csrf: tokenOf(confirm), user_code, decision }, {}],
      [stranger, '/device', { csrf: tokenOf(form), user_code }, {}],
      [agent, '/device', { user_code }, {}],
      [agent, '/device', { csrf: tokenOf(form), user_code }, { origin: 'https://evil.example' }],
      [
        agent,
        '/device/confirm',
        { csrf: tokenOf(confirm), user_code, decision },
        { 'sec-fetch-site': 'cross-site' },
      ],
    ] as [UserAgent, string, Record<string, string>, Record<string, string>][]) {
      const page = await who.post(at(path), fields, { headers })
      expect(page.status, JSON.stringify([path, headers])).to.equal(403)
    }
    const proven = confirm.url.href
    for (const [who, href] of [
      [stranger, proven],
      [agent, proven.replace(user_code, other.user_code)],
      [agent, proven.replace(/&proof=[^&]*/, '')],
      [agent, proven.replace(/&proof=[^&]*/, `&proof=${tokenOf(confirm)}`)],
    ] as const) {
      expect((await who.get(href)).location?.pathname, href).to.equal('/device')
    }
    expect(formOf(await agent.get(proven))).to.equal('confirm-form')
    expect(outcomeOf(await finishSteps(agent, confirm))).to.equal('allowed')
  })

  it('redirects the address of the second step to the first, and shows no form at invented addresses', async () => {
    const agent = createUserAgent()
    const page = await agent.get(`${server.issuer}/device/confirm`)
    expect(page.location?.pathname).to.equal('/device')
    const unknown = await agent.get(`${server.issuer}/device/${'x'.repeat(43)}`)
    expect(unknown.status).to.equal(400)
    expect(unknown.root.querySelectorAll('form')).to.deep.equal([])
    expect((await agent.get(`${server.issuer}/Device`)).status).to.equal(404)
  })

  it('by two users with one code: one connects it, the other is told that the code is over (C26)', async () => {
    const [first, second] = [createUserAgent(), createUserAgent()]
    const ofBob = { username: bob.email, password: bob.password }
    await finishSteps(first, await enterCode(server, first, (await startDevice(server)).user_code))
    const warm = await enterCode(server, second, (await startDevice(server)).user_code)
    await finishSteps(second, warm, ofBob)
    const winners = new Set<string>()
    for (let round = 0; round < 10; round += 1) {
      const device = await startDevice(server)
      const pages = await Promise.all([
        enterCode(server, first, device.user_code),
        enterCode(server, second, device.user_code),
      ])
      const turns = round % 2 === 0 ? [0, 1] : [1, 0]
      const ends = await Promise.all(
        turns.map((i) => finishSteps([first, second][i] as UserAgent, pages[i] as Page, ofBob)),
      )
      const outcomes = ends.map(outcomeOf)
      expect(outcomes).to.have.members(['allowed', 'over'])
      const winner = [alice, bob][turns[outcomes.indexOf('allowed')] as number]
      const { sub } = decodeJwt(tokensIn(await askFor(server, device)).access_token)
      const account = await server.core.accounts.byIdentifier('default', winner?.email as string)
      expect(sub).to.equal(account?.id)
      winners.add(sub as string)
    }
    expect(winners.size).to.be.within(1, 2)
  })

  it('allowed and denied at once: the device gets the answer that its user was shown (C26)', async () => {
    const agent = await allowDevice(server, await startDevice(server))
    for (let round = 0; round < 6; round += 1) {
      const device = await startDevice(server)
      const other = createUserAgent()
      const yes = await agent.submit(await enterCode(server, agent, device.user_code))
      const no = await enterCode(server, other, device.user_code)
      const [allowed, denied] = await Promise.all([
        agent.follow(yes),
        other.submit(no, { button: '#deny' }).then((sent) => other.follow(sent)),
      ])
      const outcomes = [outcomeOf(allowed), outcomeOf(denied)]
      expect(outcomes, `${textOf(allowed)}\n${textOf(denied)}`).to.be.deep.oneOf([
        ['allowed', 'over'],
        ['over', 'denied'],
      ])
      const answer = await askFor(server, device)
      if (outcomes[0] === 'allowed') tokensIn(answer)
      else expectRefusal(answer, 400, 'access_denied')
    }
  })

  it('fails when the code expires during sign-in', async () => {
    const device = await startDevice(server)
    const agent = createUserAgent()
    const confirm = await enterCode(server, agent, device.user_code)
    const login = await agent.follow(await agent.submit(confirm))
    try {
      travel(605)
      const late = await agent.follow(await agent.submit(login, { fields: credentials }))
      expect([late.status, outcomeOf(late)]).to.deep.equal([400, 'over'])
      for (const button of ['#continue', '#deny']) {
        const sent = await agent.submit(confirm, { button })
        expect(sent.status, `${button}: a reload sends nothing again`).to.equal(303)
        expect(outcomeOf(await agent.follow(sent)), button).to.equal('over')
      }
      expect(outcomeOf(await agent.get(confirm.url.href))).to.equal('over')
    } finally {
      backToPresent()
    }
  })

  it('gives the same response, byte for byte, to every invalid code (P-033)', async () => {
    const used = await startDevice(server)
    await allowDevice(server, used)
    tokensIn(await askFor(server, used))
    const allowed = await startDevice(server)
    await allowDevice(server, allowed)
    const denied = await startDevice(server)
    const no = createUserAgent()
    await no.submit(await enterCode(server, no, denied.user_code), { button: '#deny' })
    const ofDisabled = { ...tv, client_id: 'tv-disabled' }
    await server.core.clients.declare('default', ofDisabled)
    const orphan = await startDevice(server, {}, ofDisabled)
    await server.core.revocations.setClientDisabled('default', ofDisabled.client_id, true)

    const agent = createUserAgent()
    const form = await agent.get(`${server.issuer}/device`)
    const answerTo = (user_code: string) => agent.submit(form, { fields: { user_code } })
    const unknown = await answerTo('BCDF-GHJK')
    expectFormAgain(unknown, 400, 'device-form', /not valid/)
    for (const typed of [
      used.user_code,
      allowed.user_code,
      denied.user_code,
      orphan.user_code,
      'AEIO-UAEI',
      'short',
      'BCDF-GHJK'.repeat(1200),
      '<script>alert(1)</script>',
      '"><img src=x onerror=alert(1)>',
      '١٢٣٤-٥٦٧٨',
      '１２３４５６７８',
      'ＢＣＤＦ-ＧＨＪＫ',
      'ſſſſ-ſſſſ',
      'BCDF\u0000GHJK',
      "'; drop table attempts; --",
    ]) {
      const page = await answerTo(typed)
      expect(page.status, typed.slice(0, 40)).to.equal(400)
      expect(page.body, typed.slice(0, 40)).to.equal(unknown.body)
    }
    expectFormAgain(await answerTo(' '), 400, 'device-form', /Enter the code/)
    for (const given of ['<b>', 'x'.repeat(3000), 'BCDF-GHJK&user_code=BCDF-GHJK']) {
      const page = await agent.get(`${server.issuer}/device?user_code=${given}`)
      expect(page.status).to.equal(200)
      expect(page.root.querySelector('#user_code')?.getAttribute('value')).to.equal('')
    }
  })
})
