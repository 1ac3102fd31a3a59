import { expect } from 'chai'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { furnish } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { accountOf, open, signedIn, somebody } from './account.story.ts'
import { expectFault, expectFormAgain, textOf } from './story.ts'

describe('people: profile and history', () => {
  const server = booted(anyStorage, {}, furnish)
  afterEach(() => backToPresent())

  const eventsOn = (page: Page) =>
    page.root.querySelectorAll('#history > li').map((item) => ({
      type: item.getAttribute('data-event'),
      text: item.textContent.replace(/\s+/g, ' '),
    }))

  describe('profile', () => {
    const path = '/account/profile'

    it('sets and removes a name and a user name to sign in with', async () => {
      const person = await somebody(server)
      const agent = await signedIn(server, person)
      const page = await open(server, path, person, agent)
      const fields = { name: 'Mad Hatter', username: ' Hatter.1 ' }
      const done = await agent.follow(await agent.submit(page, { fields }))
      expect(textOf(done)).to.include('Your profile is saved.')
      const other = createUserAgent()
      const here = await open(server, '/account', { ...person, email: 'hatter.1' }, other)
      expect(textOf(here)).to.include('Mad Hatter').and.include('Hatter.1')
      await agent.submit(done, { fields: { name: '', username: '' } })
      const account = await accountOf(server, person)
      expect(account).not.to.have.any.keys('name', 'username')
      const history = await open(server, '/account/history', person, agent)
      expect(
        eventsOn(history).filter(({ type }) => type === 'account.profile_changed'),
      ).to.have.length(2)
    })

    it('refuses a user name that is taken in any spelling or is an address, and characters that cannot be displayed (C9)', async () => {
      const [one, two] = [await somebody(server), await somebody(server)]
      const [hers, his] = [await signedIn(server, one), await signedIn(server, two)]
      await hers.submit(await open(server, path, one, hers), { fields: { username: 'Dormouse' } })
      const page = await open(server, path, two, his)
      for (const [fields, status, reason] of [
        [{ username: 'ＤＯＲＭＯＵＳＥ' }, 409, /Somebody else/],
        [{ username: one.email }, 400, /cannot contain @/],
        [{ username: 'a＠b' }, 400, /cannot contain @/],
        ...[
          'dor\u200bmouse',
          'dormouse\ufe0f',
          '\u3164dormouse',
          'dor  mouse',
          'd\u043ermouse',
        ].map((username) => [{ username }, 400, /letters look alike/] as const),
        [{ name: 'x'.repeat(201) }, 400, /too long/],
        [{ name: 'a\u0000b' }, 400, /cannot be shown/],
        // An apply file could not declare this name again.
        [{ name: 'moc.\u202Eelpmaxe' }, 400, /cannot be shown/],
      ] as Array<readonly [Record<string, string>, number, RegExp]>) {
        const answer = await his.submit(page, { fields })
        expectFormAgain(answer, status, 'profile-form', reason)
      }
      expect(await accountOf(server, two))
        .to.include({ name: 'Some Body' })
        .and.not.have.any.keys('username')
    })

    it('gives a user name to one of two accounts that choose it at the same moment', async () => {
      const two = [await somebody(server), await somebody(server)]
      const answers = await Promise.all(
        two.map(async (person) => {
          const agent = await signedIn(server, person)
          const page = await open(server, path, person, agent)
          return agent.submit(page, { fields: { username: 'tweedle' } })
        }),
      )
      expect(answers.map(({ status }) => status)).to.have.members([303, 409])
    })

    it('limits changes of the user name and of the profile (C25)', async () => {
      const person = await somebody(server)
      const agent = await signedIn(server, person)
      const page = await open(server, path, person, agent)
      const change = (fields: Record<string, string>) => agent.submit(page, { fields })
      for (let i = 0; i < 10; i++) await change({ username: `guess-${i}` })
      for (let i = 0; i < 10; i++) await change({ username: 'guess-9', name: `Name ${i}` })
      expect((await change({ username: 'guess-9', name: 'Name 9' })).status).to.equal(303)
      for (const fields of [{ username: 'guess-10' }, { username: 'guess-9', name: 'Name 10' }]) {
        const answer = await change(fields)
        expectFormAgain(answer, 429, 'profile-form', /too many/)
        expect(answer.headers.get('retry-after')).to.equal('3600')
      }
    })
  })

  describe('history', () => {
    const path = '/account/history'
    /** The middle of an hour and of a day, so that counts per hour and per day are not split. */
    beforeEach(() => travel(36.5 * 3600 - (Math.floor(Date.now() / 1000) % (24 * 3600))))

    it('shows sign-ins, and the wrong passwords of an hour in one line', async () => {
      const person = await somebody(server)
      const wrong = { ...person, password: 'not the right one' }
      for (let i = 0; i < 3; i++) await open(server, '/account', wrong, createUserAgent())
      travel(1)
      const agent = await signedIn(server, person, 'safari')
      const events = eventsOn(await open(server, path, person, agent))
      expect(events.map(({ type }) => type)).to.deep.equal([
        'account.signed_in',
        'account.sign_in_failed',
      ])
      expect(events[0]?.text).to.match(/Signed in.*from (127|::).*Safari on iOS/)
      expect(events[1]?.text).to.include('Sign-in failed').and.include('3 times')
      travel(3600)
      await open(server, '/account', wrong, createUserAgent())
      const later = eventsOn(await open(server, path, person, agent))
      expect(later.filter(({ type }) => type === 'account.sign_in_failed')).to.have.length(2)
    })

    it('counts guesses at unknown identifiers in a bounded number of rows, those during the pause per day (ASVS 16.3.1)', async () => {
      const nobody = { email: 'nobody@example.com', password: 'not the right one' }
      const guess = () => open(server, '/account', nobody, createUserAgent())
      for (let i = 0; i < 6; i++) await guess()
      travel(3600)
      for (let i = 0; i < 2; i++) await guess()
      const rows = await server.core.database.query<{ count: number }>(
        `select (detail->>'count')::integer as count from audit_events
         where type = 'account.sign_in_failed' and account_id is null order by 1`,
      )
      expect(rows.map(({ count }) => count)).to.deep.equal([1, 2, 5])
    })

    it('is read page by page, through links that work for this account only (C28)', async () => {
      const [one, two] = [await somebody(server), await somebody(server)]
      const { id: accountId } = await accountOf(server, one)
      for (let i = 0; i < 40; i++) {
        await server.core.audit.record('default', { type: 'account.signed_in', accountId })
      }
      const agent = await signedIn(server, one)
      const seen: number[] = []
      let page = await open(server, path, one, agent)
      for (let i = 0; i < 3; i++) {
        seen.push(eventsOn(page).length)
        const older = page.root.querySelector('#older')?.getAttribute('href')
        if (older) page = await agent.get(new URL(older, page.url))
      }
      expect(seen).to.deep.equal([20, 20, 1])
      const cursor = page.url.searchParams.get('before') ?? ''
      const his = await signedIn(server, two)
      for (const before of [cursor, `${cursor}x`, "1~' or 1=1 --~x", '', '~~']) {
        const url = `${server.issuer}${path}?before=${encodeURIComponent(before)}`
        expectFault(await his.get(url), 400, /request is not valid/)
      }
      expect(eventsOn(await open(server, path, two, his))).to.have.length(1)
    })
  })
})
