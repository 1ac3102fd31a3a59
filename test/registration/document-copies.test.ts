import type { ServerResponse } from 'node:http'
import { expect } from 'chai'
import { createClock } from '../../src/clock.ts'
import { createCounters } from '../../src/counters.ts'
import { isDomainError } from '../../src/errors.ts'
import { createLimiter } from '../../src/limits/limiter.ts'
import { createFetch } from '../../src/outgoing/fetch.ts'
import { createDocumentCopies } from '../../src/registration/document-copies.ts'
import type { Sealer } from '../../src/secrets/seal.ts'
import { refusalOf, silentLog } from '../support/cores.ts'
import { type DocumentHost, startDocumentHost } from '../support/document-host.ts'
import { eventually } from '../support/eventually.ts'

describe('copies of client metadata documents', () => {
  let host: DocumentHost
  let now = 1_800_000_000_000
  const clock = { ...createClock(), now: () => now }
  const fetch = createFetch({ allowFetchTo: [], allowLoopbackFetch: true }, silentLog)
  const createLimits = () =>
    createLimiter({
      clock,
      log: silentLog,
      counters: createCounters(),
      sealer: { mac: (...parts: string[]) => parts.join(' ') } as Sealer,
      shared: undefined,
      on: true,
    })
  const create = (limiter = createLimits()) => createDocumentCopies({ clock, fetch, limiter })
  const from = (network: string | undefined) => ({ network })
  async function asksUntilRefused(ask: (turn: number) => Promise<unknown>): Promise<number> {
    for (let turn = 0; turn < 200; turn++) {
      const error = await ask(turn).then(
        () => undefined,
        (thrown: unknown) => thrown,
      )
      if (isDomainError(error, 'too_many_requests')) return turn
    }
    throw new Error('never refused')
  }

  before(async () => {
    host = await startDocumentHost()
  })
  after(() => host?.stop())

  it('that fail count against the network and the host (security class C11)', async () => {
    const copies = create()
    const networks = ['192.0.2.0/24', '192.0.3.0/24', '192.0.4.0/24']
    for (const [index, network] of networks.entries()) {
      const turns = await asksUntilRefused((turn) =>
        copies.get(`${host.origin}/none/${index}/${turn}`, undefined, from(network)),
      )
      expect(turns).to.equal(20)
    }
    await refusalOf(
      copies.get(`${host.origin}/none`, undefined, from('198.51.100.0/24')),
      'too_many_requests',
    )
    const elsewhere = host.origin.replace('localhost', '127.0.0.1')
    const { code } = await refusalOf(
      copies.get(`${elsewhere}/none`, undefined, from('198.51.100.0/24')),
    )
    expect(code, 'on another host').to.equal('client_document_invalid')
    expect(await copies.get(`${elsewhere}/none`, undefined, from(undefined))).to.equal(undefined)
    const known = { members: {}, fetchedAt: 0, freshUntil: 0 }
    const used = host.publish('/used')
    expect(await copies.get(used, known, from(undefined)), 'of a client in use').to.have.property(
      'fetchedAt',
      now,
    )
  })

  it('that succeed do not count against the host, however many strangers request them', async () => {
    const copies = create()
    for (let turn = 0; turn < 80; turn++) {
      const network = `192.0.${Math.floor(turn / 20)}.0/24`
      expect(
        await copies.get(host.publish(`/right/${turn}`), undefined, from(network)),
      ).to.have.property('fetchedAt', now)
    }
  })

  it('of one URL are requested ten times a minute at most, and refusals are never cached (P-086)', async () => {
    const copies = create()
    const url = `${host.origin}/mended`
    const turns = await asksUntilRefused(() => copies.get(url, undefined, from('192.0.2.0/24')))
    expect(turns).to.equal(10)
    expect(host.asked.get('/mended')).to.equal(10)
    host.publish('/mended')
    now += 7000
    const copy = await copies.get(url, undefined, from('192.0.2.0/24'))
    expect(copy?.members).to.include({ client_name: 'A travelling tool' })
    expect(copy?.freshUntil).to.equal(now + 300_000)
  })

  it('remain usable while the host is down, even beyond the rate limit, but not after a refusal', async () => {
    const limiter = createLimits()
    const copies = create(limiter)
    const askedTooOften = (url: string) =>
      limiter.take('default', { limit: 'document_address', subject: url, cost: 10 })
    const known = { members: {}, fetchedAt: now - 3600_000, freshUntil: now - 1 }
    const down = host.answer('/stands-in', (response) => response.writeHead(503).end())
    expect(await copies.get(down, known, from(undefined))).to.equal(known)
    now += 60_000
    await askedTooOften(down)
    expect(await copies.get(down, known, from(undefined))).to.equal(known)
    const gone = host.answer('/is-gone', (response) => response.writeHead(410).end())
    await refusalOf(copies.get(gone, known, from(undefined)), 'client_document_invalid')
    now += 60_000
    await askedTooOften(gone)
    await refusalOf(copies.get(gone, known, from(undefined)), 'too_many_requests')
  })

  it('are fetched sixteen at a time, three per host; four slots are reserved for clients in use', async () => {
    const copies = create()
    const known = { members: {}, fetchedAt: 0, freshUntil: 0 }
    const { port } = new URL(host.origin)
    const hanging: ServerResponse[] = []
    let isOver = false
    const end = (response: ServerResponse) => response.writeHead(500).end()
    /** @param of the number of the host; all of them are the same machine */
    const hang = (path: string, of: number, copy?: typeof known) => {
      host.answer(path, (response) => (isOver ? end(response) : void hanging.push(response)))
      const url = `http://host-${of}.localhost:${port}${path}`
      return copies.get(url, copy, from('192.0.2.0/24'))
    }
    const refused = (asked: Promise<unknown>) => refusalOf(asked, 'too_many_requests')
    const waiting = Array.from({ length: 12 }, (_, i) => hang(`/hang/${i}`, Math.floor(i / 3)))
    const settled = Promise.allSettled(waiting)
    await refused(hang('/newcomer', 9))
    await refused(hang('/used/one-host', 0, known))
    const used = Array.from({ length: 4 }, (_, i) =>
      hang(`/used/${i}`, 5 + Math.floor(i / 3), known),
    )
    const usedSettled = Promise.allSettled(used)
    await refused(hang('/used/no-more', 9, known))
    await eventually('a document is requested', async () => hanging.length > 0)
    isOver = true
    hanging.forEach(end)
    const outcomes = [...(await settled), ...(await usedSettled)]
    for (const outcome of outcomes) {
      const reason = outcome.status === 'rejected' ? outcome.reason : undefined
      expect(isDomainError(reason, 'client_document_unavailable'), String(reason)).to.equal(true)
    }
    await copies.get(host.publish('/next'), undefined, from('192.0.2.0/24'))
  })

  it('of one host are fetched three at a time, so that it does not delay others', async () => {
    const copies = create()
    const asked = ['/a', '/b', '/c', '/d'].map((path) =>
      copies.get(host.publish(path), undefined, from('192.0.2.0/24')),
    )
    const statuses = (await Promise.allSettled(asked)).map(({ status }) => status)
    expect(statuses).to.deep.equal(['fulfilled', 'fulfilled', 'fulfilled', 'rejected'])
  })

  it('that are slow have few waiting requests, which share one response', async () => {
    const copies = create()
    const held: ServerResponse[] = []
    const url = host.answer('/slow', (response) => void held.push(response))
    const asked = Array.from({ length: 40 }, () => copies.get(url, undefined, from('192.0.2.0/24')))
    const settled = Promise.allSettled(asked)
    await eventually('the document is requested', () => held.length === 1)
    const last = await refusalOf(copies.get(url, undefined, from('192.0.2.0/24')))
    expect(last.code).to.equal('too_many_requests')
    for (const response of held) response.writeHead(503).end()
    const codes = (await settled).map((each) => each.status === 'rejected' && each.reason.code)
    const countOf = (code: string) => codes.filter((each) => each === code).length
    expect(countOf('client_document_unavailable')).to.equal(33)
    expect(countOf('too_many_requests')).to.equal(7)
    expect(host.asked.get('/slow')).to.equal(1)
  })
})
