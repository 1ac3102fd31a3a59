import { expect } from 'chai'
import { familiesList } from '../../src/cli/families-list.ts'
import { familiesRevoke } from '../../src/cli/families-revoke.ts'
import { familiesShow } from '../../src/cli/families-show.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { alice, furnish, web } from '../support/fixtures.ts'
import { someFamily } from '../support/people.ts'
import { expectRefusal, introspect, refresh, tokensFor, tokensIn } from '../support/protocol.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent } from '../support/user-agent.ts'

onAnyStorage('families list, show, revoke', (kind) => {
  const server = booted(kind, {}, furnish)

  it('show the timeline of a device and end it', async () => {
    const first = await tokensFor(server, web, { scope: 'openid offline_access' })
    const second = tokensIn(await refresh(server, web, first))
    tokensIn(await refresh(server, web, first))
    const { core } = server
    const tenant = 'default'

    const { families } = await familiesList.execute(core, {
      tenant,
      account: alice.email,
      client: web.client_id,
      all: false,
    })
    expect(families).to.have.length(1)
    const { id } = families[0] as { id: string }
    expect(families[0]).to.include({ account: alice.email, client_id: 'web' })

    const shown = await familiesShow.execute(core, { tenant, id })
    expect(shown.steps).to.have.length(2)
    expect(shown.steps[0]).to.include({ replays: 1, ip: '127.0.0.1' })
    expect(shown.steps[1]?.parent).to.equal(shown.steps[0]?.token)
    const text = familiesShow.render(shown)
    expect(text).to.match(/issued[\s\S]*rotated from[\s\S]*answered again, 1 in total/)

    const revoked = await familiesRevoke.execute(core, { tenant, id })
    expect(revoked).to.deep.include({ changed: true })
    expectRefusal(await refresh(server, web, second), 400, 'invalid_grant')
    expect(await introspect(server, web, second.access_token)).to.deep.equal({ active: false })
    expect((await familiesRevoke.execute(core, { tenant, id })).changed).to.equal(false)
    const now = { tenant, all: false }
    expect((await familiesList.execute(core, now)).families).to.deep.equal([])
    expect((await familiesList.execute(core, { ...now, all: true })).families).to.have.length(1)
  })

  it('name the browser that authorized a device, not the server of its client (C19)', async () => {
    const firefox = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'
    const called = `${firefox} ${'x'.repeat(1000)}`
    const { core } = server
    const offline = { scope: 'openid offline_access' }
    const first = await tokensFor(server, web, offline, createUserAgent({ called }))
    tokensIn(await refresh(server, web, first))
    const wanted = { tenant: 'default', client: web.client_id, all: false }
    const { families } = await familiesList.execute(core, wanted)
    expect(families.map(({ device, state }) => [device, state])).to.deep.equal([
      ['Firefox on Linux', 'alive'],
    ])
    const { id } = families[0] as { id: string }
    const shown = await familiesShow.execute(core, { tenant: 'default', id })
    expect(shown.family.user_agent).to.equal(called.slice(0, 256))
    expect(shown.family.ip).to.equal('127.0.0.1')
    expect(familiesShow.render(shown)).to.include(`Allowed from 127.0.0.1  ${firefox}`)
    expect(shown.steps.map(({ user_agent }) => user_agent)).to.deep.equal([undefined, undefined])
  })

  it('distinguish a family that was not used in time from an active one', async () => {
    const { core } = server
    const { family } = await someFamily(core)
    const list = async (all: boolean) => {
      const wanted = { tenant: 'default', client: family.clientId, all }
      return (await familiesList.execute(core, wanted)).families.map(({ state }) => state)
    }
    expect(await list(false)).to.deep.equal(['alive'])
    try {
      travel(601)
      expect(await list(false)).to.deep.equal([])
      expect(await list(true)).to.deep.equal(['idle_expired'])
      travel(3000)
      expect(await list(true)).to.deep.equal(['expired'])
      await core.families.end('default', family.id, 'operator')
      expect(await list(true)).to.deep.equal(['ended'])
    } finally {
      backToPresent()
    }
  })

  it('report an unknown family', async () => {
    const asked = familiesShow.execute(server.core, { tenant: 'default', id: 'none' })
    const error = await asked.then(
      () => undefined,
      (thrown: Error) => thrown,
    )
    expect(error?.message).to.equal('There is no family "none" in tenant default.')
  })
})
