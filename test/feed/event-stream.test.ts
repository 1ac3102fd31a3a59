import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import Koa from 'koa'
import {
  createOpenStreams,
  type EventStream,
  sendEvents,
} from '../../src/endpoints/event-stream.ts'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { eventually } from '../support/eventually.ts'
import { api, furnish, ordersApi } from '../support/fixtures.ts'
import { feedToken, openStream } from '../support/revocations.ts'

describe('slots for streams', () => {
  it('are released by a reader that left before its stream began', async () => {
    const places = createOpenStreams(1)
    const calls: string[] = []
    const begun = Promise.withResolvers<EventStream>()
    const arrived = Promise.withResolvers<void>()
    const app = new Koa().use(async (ctx) => {
      const place = places.take('reader')
      arrived.resolve()
      await once(ctx.res, 'close')
      const closed = () => {
        calls.push('closed')
        place.leave()
      }
      begun.resolve(sendEvents(ctx, { until: 60_000, closed }))
    })
    const http = createServer(app.callback()).listen(0, '127.0.0.1')
    try {
      await once(http, 'listening')
      const asking = request({ port: (http.address() as AddressInfo).port, host: '127.0.0.1' })
      asking.on('error', () => calls.push('gone')).end()
      await arrived.promise
      asking.destroy()
      const events = await begun.promise
      events.onEnd(() => calls.push('ended'))
      events.send('revocations', '1', 'x')
      events.end()
      expect(calls.filter((call) => call !== 'gone')).to.deep.equal(['closed', 'ended'])
      places.take('reader').leave()
    } finally {
      http.close()
    }
  })

  describe('of one client at one node', () => {
    const server = booted(anyStorage, {}, furnish)

    it('are limited to a hundred: the next request gets 429 until one is released', async () => {
      const token = await feedToken(server, ordersApi)
      const open = () => openStream(server, token, { audience: api })
      const streams = await Promise.all(Array.from({ length: 100 }, open))
      try {
        expect(new Set(streams.map(({ status }) => status))).to.deep.equal(new Set([200]))
        const refused = await open()
        expect(refused.status).to.equal(429)
        expect(refused.headers['retry-after']).to.equal('10')
        await eventually('the refusal ends', () => refused.ended())
        expect(JSON.parse(refused.body())).to.include({ error: 'temporarily_unavailable' })
        streams[0]?.close()
        const next = await eventually('a stream is accepted', async () => {
          const stream = await open()
          return stream.status === 200 && stream
        })
        streams.push(next)
        expect((await open()).status).to.equal(429)
      } finally {
        for (const { close } of streams) close()
      }
    })
  })
})
