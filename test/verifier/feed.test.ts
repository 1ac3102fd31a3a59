import { createVerifier, type FeedOptions, TokenRefused, Unavailable } from '@keyturn/verifier'
import { expect } from 'chai'
import { createEventParser } from '../../packages/verifier/src/feed/event-stream.ts'
import { eventually } from '../support/eventually.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { eventOf, now, type SmallIssuer, startSmallIssuer } from './small-issuer.ts'

const soon = () => now() + 900

describe('the feed of the verifier', () => {
  let issuer: SmallIssuer
  const verifiers: { close(): void }[] = []
  const faults: string[] = []

  beforeEach(async () => {
    issuer = await startSmallIssuer()
    faults.length = 0
  })
  afterEach(async () => {
    backToPresent()
    for (const each of verifiers.splice(0)) each.close()
    await issuer.stop()
  })

  function create(feed: Partial<FeedOptions> = {}, more = {}) {
    const verifier = createVerifier({
      issuer: issuer.url,
      audience: issuer.audience,
      jwks: { whenUnreachable: 'accept', ...more },
      feed: {
        clientId: 'orders-api',
        clientSecret: 'a secret: with/signs',
        mode: 'poll',
        maxStaleness: 10,
        whenStale: 'refuse',
        pollEvery: 20,
        ...feed,
      },
      onFault: (error) => faults.push(error.message),
    })
    verifiers.push(verifier)
    const verdict = async (token: string) =>
      verifier.verify(token).then(
        () => 'accepted',
        (error: unknown) =>
          error instanceof TokenRefused
            ? error.reason
            : error instanceof Unavailable
              ? 'unavailable'
              : String(error),
      )
    return { ...verifier, verdict }
  }
  const serve = (document: string | Promise<string>) => {
    issuer.answers['/revocations'] = async (_, response) => void response.end(await document)
  }
  const away = (path = '/revocations') => {
    issuer.answers[path] = (request) => request.socket.destroy()
  }
  const heard = (status: { faults: number } | undefined) => (status?.faults ?? 0) > 0

  it('reports why the issuer refuses it a token, with the error id', async () => {
    issuer.answers['/token'] = (_, response) => {
      const said = {
        error: 'invalid_target',
        error_description: 'not\u001byours',
        error_id: '7f3a',
      }
      response.writeHead(400).end(JSON.stringify(said))
    }
    await create().verdict(await issuer.token())
    expect(faults).to.include(`${issuer.url}/token answered 400: invalid_target, not?yours, 7f3a`)
  })

  it("is read with the configured client's credentials, from the last cursor on", async () => {
    const { ready, status } = create()
    await ready()
    const asked = new URLSearchParams(issuer.last['/token']?.body)
    expect(Object.fromEntries(asked)).to.deep.equal({
      grant_type: 'client_credentials',
      resource: `${issuer.url}/revocations`,
      scope: 'revocations:read',
    })
    const [, basic = ''] = issuer.last['/token']?.headers.authorization?.split(' ') ?? []
    expect(atob(basic)).to.equal('orders-api:a+secret%3A+with%2Fsigns')
    await eventually('the verifier requests only the changes', () =>
      issuer.last['/revocations']?.url.includes('&since=c'),
    )
    expect(issuer.last['/revocations']?.url).to.include(
      `audience=${encodeURIComponent(issuer.audience)}`,
    )
    expect(issuer.last['/revocations']?.headers.authorization).to.equal('Bearer reader')
    expect(issuer.asked['/token'], 'one token for many polls').to.equal(1)
    expect(status().feed).to.include({ faults: 0, entries: 0 })
  })

  it('denies by every claim it contains, up to the given time of issue', async () => {
    const claims = {
      jti: 'j',
      fid: 'f',
      gid: 'g',
      sid: 's',
      sub: 'u',
      client_id: 'c',
      tenant_id: 't',
    }
    const { verdict } = create()
    for (const [claim, value] of Object.entries(claims)) {
      serve(issuer.document({ [claim]: { [`${value}-${claim}`]: [null, soon()] } }))
      const token = await issuer.token({ [claim]: `${value}-${claim}` })
      await eventually(claim, async () => (await verdict(token)) === 'revoked')
      expect(await verdict(await issuer.token()), claim).to.equal('accepted')
    }
    serve(issuer.document({ sub: { bob: [now(), soon()] } }))
    const [old, fresh] = [
      await issuer.token({ sub: 'bob' }),
      await issuer.token({ sub: 'bob', iat: now() + 2 }),
    ]
    await eventually('sub', async () => (await verdict(old)) === 'revoked')
    expect(await verdict(fresh)).to.equal('accepted')
  })

  it('is used until it is stale when it is unreachable; then tokens are refused or accepted, as configured', async () => {
    serve(issuer.document({ jti: { gone: [null, now() + 4000] } }))
    const [refusing, accepting] = [create(), create({ whenStale: 'accept' })]
    await Promise.all([refusing.ready(), accepting.ready()])
    const life = { exp: now() + 7200 }
    const [good, revoked] = [await issuer.token(life), await issuer.token({ ...life, jti: 'gone' })]
    away()
    for (const { verdict } of [refusing, accepting]) {
      expect([await verdict(good), await verdict(revoked)]).to.deep.equal(['accepted', 'revoked'])
    }
    travel(60)
    expect([await refusing.verdict(good), await refusing.verdict(revoked)]).to.deep.equal([
      'unavailable',
      'revoked',
    ])
    expect([await accepting.verdict(good), await accepting.verdict(revoked)]).to.deep.equal([
      'accepted',
      'revoked',
    ])
    expect(faults).to.not.deep.equal([])
    backToPresent()
    issuer.answers['/revocations'] = undefined
    await eventually(
      'the token is accepted again',
      async () => (await refusing.verdict(good)) === 'accepted',
    )
  })

  it('fails explicitly when it is unreachable at the start: 503, or accepted as configured', async () => {
    away()
    const [refusing, accepting] = [create(), create({ whenStale: 'accept' })]
    const token = await issuer.token()
    expect(await refusing.verdict(token)).to.equal('unavailable')
    expect(await accepting.verdict(token)).to.equal('accepted')
    const failed = await refusing.ready().then(
      () => undefined,
      (error: unknown) => error,
    )
    expect(failed).to.be.instanceOf(Unavailable)
  })

  it('does not lose an entry or become fresh through a replayed old document', async () => {
    const old = await issuer.document({}, { as_of: Date.now() - 1000, cursor: 'old' })
    serve(issuer.document({ jti: { gone: [null, soon()] } }))
    const { verdict, status, ready } = create()
    await ready()
    serve(old)
    await eventually('the fault is reported', () =>
      faults.some((each) => each.includes('older than')),
    )
    const documents = status().feed?.documents
    expect(await verdict(await issuer.token({ jti: 'gone' }))).to.equal('revoked')
    await eventually('the fault is reported again', () => (status().feed?.faults ?? 0) > 1)
    expect(status().feed?.documents).to.equal(documents)
    expect(status().feed?.age).to.be.above(20)
  })

  it('is stale with an old document at the start, however often that is sent', async () => {
    serve(issuer.document({}, { as_of: Date.now() - 100_000 }))
    const { verdict } = create()
    expect(await verdict(await issuer.token())).to.equal('unavailable')
  })

  const wrong: Record<string, () => Promise<string>> = {
    truncated: async () => (await issuer.document()).slice(0, -20),
    'cut in the middle': async () => (await issuer.document()).slice(0, 80),
    empty: async () => '',
    'for another audience': () => issuer.document({}, { aud: 'https://other.example.com' }),
    'for several audiences': () =>
      issuer.document({}, { aud: [issuer.audience, 'https://x.example'] }),
    'by another issuer': () => issuer.document({}, { iss: 'https://evil.example' }),
    expired: () => issuer.document({}, { exp: now() - 60 }),
    'without exp': () => issuer.document({}, { exp: undefined }),
    'an access token': () => issuer.token(),
    'with a key in its header': () => issuer.document({}, {}, { jwk: {} }),
    'a continuation of an unknown cursor': () => issuer.document({}, { since: 'of-somebody' }),
    'with malformed entries': () => issuer.document({ jti: { x: ['now'] } } as never),
    'larger than the limit': () =>
      issuer.document({
        jti: Object.fromEntries(Array.from({ length: 9 }, (_, i) => [i, [null, soon()]])),
      }),
  }
  for (const [what, make] of Object.entries(wrong)) {
    it(`rejects a document that is ${what}`, async () => {
      serve(make())
      const { verdict, status } = create({ most: 8 })
      expect(await verdict(await issuer.token())).to.equal('unavailable')
      await eventually('the fault is reported', () => heard(status().feed))
    })
  }

  it('recovers with the first valid document', async () => {
    serve((await issuer.document()).slice(0, -20))
    const { verdict } = create()
    const token = await issuer.token()
    expect(await verdict(token)).to.equal('unavailable')
    serve(issuer.document())
    await eventually('the token is accepted', async () => (await verdict(token)) === 'accepted')
  })

  it('rejects a document signed by a removed key', async () => {
    const removed = issuer.document({ jti: { a: [null, soon()] } })
    await removed
    await issuer.rotate(false)
    serve(removed)
    const { verdict } = create()
    expect(await verdict(await issuer.token())).to.equal('unavailable')
    expect(faults.join()).to.include('no such key')
  })

  it('reads 100,000 entries in one document, which verify quickly', async () => {
    const entries = Object.fromEntries(
      Array.from({ length: 100_000 }, (_, i) => [`jti-${i}-0123456789abcdef`, [null, soon()]]),
    )
    serve(issuer.document({ jti: entries } as never))
    const { verdict, ready, status } = create({ pollEvery: 60_000 })
    await ready()
    expect(status().feed?.entries).to.equal(100_000)
    expect(await verdict(await issuer.token({ jti: 'jti-99999-0123456789abcdef' }))).to.equal(
      'revoked',
    )
    expect(await verdict(await issuer.token())).to.equal('accepted')
  })

  it('removes entries that no live token can match', async () => {
    serve(issuer.document({ jti: { a: [null, now() + 10], b: [null, now() + 900] } }))
    const { ready, status } = create()
    await ready()
    expect(status().feed?.entries).to.equal(2)
    travel(100)
    issuer.answers['/revocations'] = undefined
    await eventually('one entry is left', () => status().feed?.entries === 1)
  })

  it('requests a new token when its own is refused', async () => {
    const { ready, status } = create()
    await ready()
    let refused = 0
    issuer.answers['/revocations'] = async (_, response) => {
      if (refused++ === 0) response.writeHead(401).end()
      else response.end(await issuer.document())
    }
    await eventually('another token is requested', () => issuer.asked['/token'] === 2)
    const { documents = 0 } = status().feed ?? {}
    await eventually('another document is read', () => (status().feed?.documents ?? 0) > documents)
  })

  it('honours Retry-After of a 503', async () => {
    issuer.answers['/revocations'] = (_, response) =>
      void response.writeHead(503, { 'retry-after': '30' }).end()
    const { verdict } = create()
    for (let i = 0; i < 20; i++) await verdict(await issuer.token())
    expect(issuer.asked['/revocations']).to.equal(1)
  })

  it('sends no requests once it is closed', async () => {
    const [closed, open] = [create(), create()]
    await Promise.all([closed.ready(), open.ready()])
    closed.close()
    const [asked, others] = [closed.status().requests, open.status().requests]
    await eventually('the open verifier polls', () => open.status().requests > others + 3)
    expect(closed.status().requests - asked).to.be.at.most(1)
  })

  describe('by stream', () => {
    const stream = { mode: 'stream', maxStaleness: 20 } as const

    it('denies as soon as an event arrives, and sends the last event id when it reconnects', async () => {
      const { verdict, ready } = create(stream)
      await ready()
      const token = await issuer.token({ fid: 'gone' })
      expect(await verdict(token)).to.equal('accepted')
      issuer.push(
        eventOf(await issuer.document({ fid: { gone: [null, soon()] } }, { cursor: 'last' })),
      )
      await eventually('the token is refused', async () => (await verdict(token)) === 'revoked', {
        every: 2,
      })
      issuer.cut()
      await eventually('the stream is reconnected', () => issuer.asked['/revocations/stream'] === 2)
      expect(issuer.last['/revocations/stream']?.headers['last-event-id']).to.equal('last')
      expect(issuer.asked['/revocations'] ?? 0, 'polls').to.equal(0)
    })

    it('reconnects after an invalid event, and backs off from an issuer that disconnects', async () => {
      const { verdict, ready } = create(stream)
      await ready()
      issuer.push(eventOf('nonsense'))
      await eventually('the fault is reported', () => faults.length > 0)
      const token = await issuer.token()
      await eventually('the stream is reconnected', () => issuer.streams() === 1)
      expect(await verdict(token)).to.equal('accepted')
      const asked = issuer.asked['/revocations/stream'] ?? 0
      for (let i = 0; i < 5; i++) issuer.cut()
      await eventually(
        'the stream is requested once more',
        () => (issuer.asked['/revocations/stream'] ?? 0) === asked + 1,
      )
    })

    it('leaves no connection when it is closed', async () => {
      const { ready, close } = create(stream)
      await ready()
      close()
      await eventually('no stream is open', () => issuer.streams() === 0)
    })
  })

  describe('events', () => {
    const bytes = (text: string) => new TextEncoder().encode(text)
    const text =
      'id: 1\r\nevent: a\rdata: ü\ndata:x\n: comment\n\nretry: 5\ndata\n\nevent: lost\n\n'
    const expected = [
      { type: 'a', data: 'ü\nx', id: '1' },
      { type: 'message', data: '', id: undefined },
    ]

    it('are the same however they are split into chunks (WHATWG HTML §9.2.6)', () => {
      const whole = bytes(text)
      for (let at = 0; at <= whole.length; at++) {
        const parse = createEventParser(1000)
        const found = [...parse(whole.subarray(0, at)), ...parse(whole.subarray(at))]
        expect(found, `cut at ${at}`).to.deep.equal(expected)
      }
      const parse = createEventParser(1000)
      expect([...whole].flatMap((byte) => parse(Uint8Array.of(byte)))).to.deep.equal(expected)
    })

    it('are bounded', () => {
      const parse = createEventParser(1000)
      expect(() => {
        for (let i = 0; i < 20; i++) parse(bytes('x'.repeat(100)))
      }).to.throw('longer than 1000')
    })
  })
})
