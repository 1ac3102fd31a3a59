import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { answerIn } from '../../bench/load/connection.ts'
import { runPlan } from '../../bench/load/loops.ts'
import { percentile } from '../../bench/load/percentile.ts'
import type { Outcome, Plan } from '../../bench/load/plan.ts'

const tokens = JSON.stringify({ access_token: 'a', refresh_token: 'b', token_type: 'Bearer' })

describe('The load of the benchmark', () => {
  let server: Server | undefined

  /** Runs a plan against a server with this request listener. */
  async function load(answer: RequestListener, plan: Partial<Plan>): Promise<Outcome> {
    server = createServer(answer).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    const [issuer, discovery, authorization] = [url, url, url]
    const [token, introspection, userinfo, jwks] = [url, url, url, url]
    return runPlan({
      endpoints: { issuer, discovery, authorization, token, introspection, userinfo, jwks },
      client: { client_id: 'web', client_secret: 'secret' },
      ...{ story: 'client-credentials', fields: {}, stock: ['1', '2', '3', '4', '5', '6'] },
      loop: { kind: 'closed', connections: 2, milliseconds: 5000, most: 6 },
      ...plan,
    })
  }

  afterEach(() => server?.closeAllConnections())
  afterEach(() => server?.close())

  it('counts waiting time of requests that were due while the server was blocked', async () => {
    let standsStill = true
    const answer: RequestListener = (_, response) => {
      const wait = standsStill ? 400 : 0
      standsStill = false
      if (wait > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, wait)
      response.end(tokens)
    }
    const loop = { kind: 'open', rate: 100, milliseconds: 600, connections: 20 } as const
    const { latencies, answered, faults } = await load(answer, { loop })

    expect({ answered, faults }).to.deep.equal({ answered: 60, faults: {} })
    // Forty requests were due in those 400 ms, one every 10 ms; a closed loop would have sent one.
    expect(latencies.filter((took) => took > 100).length).to.be.within(25, 60)
    expect(percentile(latencies, 0.5)).to.be.greaterThan(20)
  })

  it('does not count wrong responses, and reuses an item that was refused with 503', async () => {
    let asked = 0
    const answers: [number, string][] = [
      [503, '{"error":"temporarily_unavailable"}'],
      [400, '{"error":"invalid_grant"}'],
      [200, '{"access_token":"a"}'],
      [200, tokens],
    ]
    const { answered, faults, stock } = await load(
      (_, response) => {
        const [status, body] = answers[Math.min(asked++, 3)] ?? [500, '']
        response.writeHead(status).end(body)
      },
      {
        ...{ story: 'refresh', stock: ['first', 'second', 'third'] },
        loop: { kind: 'closed', connections: 1, milliseconds: 5000, most: 5 },
      },
    )
    expect(faults).to.deep.equal({
      '503 temporarily_unavailable': 1,
      '400 invalid_grant': 1,
      'no refresh_token': 1,
    })
    expect(answered).to.equal(2)
    expect(stock).to.deep.equal(['b'])
  })

  it('closes connections whose requests time out', async () => {
    const loop = {
      kind: 'open',
      rate: 50,
      milliseconds: 200,
      connections: 3,
      patience: 100,
    } as const
    const { answered, faults } = await load(() => undefined, { loop })
    expect(answered).to.equal(0)
    expect(Object.values(faults).reduce((sum, times) => sum + times, 0)).to.equal(10)
  })

  it('counts a response without a recognisable end as a fault', async () => {
    const { answered, faults } = await load((_, response) => {
      response.writeHead(200, { 'transfer-encoding': 'gzip, chunked' }).end(tokens)
    }, {})
    expect(answered).to.equal(0)
    expect(faults).to.deep.equal({ 'response without a length': 6 })
  })

  it('reads responses with a length, in chunks, and without a body', () => {
    const head = 'HTTP/1.1 200 OK\r\nServer: x'
    expect(answerIn(`${head}\r\nContent-Length: 4\r\n\r\nbod`)).to.equal(undefined)
    expect(answerIn(`${head}\r\nContent-Length: 4\r\n\r\nbody`)?.body).to.equal('body')
    const chunked = `${head}\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n3\r\nall\r\n`
    expect(answerIn(chunked)).to.equal(undefined)
    expect(answerIn(`${chunked}0\r\n\r\n`)?.body).to.equal('bodyall')
    expect(answerIn('HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n')?.status).to.equal(304)
  })
})
