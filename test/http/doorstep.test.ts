import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { expect } from 'chai'
import { createDoorstep } from '../../src/http/doorstep.ts'
import { soleRequest } from '../../src/http/sole-request.ts'
import { eventually } from '../support/eventually.ts'

const get = (path: string, lines = '') => `GET ${path} HTTP/1.1\r\nHost: here\r\n${lines}\r\n`
const post = (body: string, lines = `Content-Length: ${body.length}\r\n`) =>
  `POST /token HTTP/1.1\r\nHost: here\r\n${lines}\r\n${body}`

describe('a piece of a connection that is one whole request', () => {
  const whole: [string, string, number][] = [
    ['GET', get('/userinfo?a=b', 'authorization:Bearer x\r\nConnection: Keep-Alive\r\n'), 3],
    ['GET', get('/', 'Content-Length: 0\r\nX-Empty:\r\nX-Name: J\xf6rg\r\n'), 4],
    ['POST', post('grant_type=x'), 2],
    ['POST', post(get('/in-a-body')), 2],
    ['POST', post(''), 2],
  ]
  for (const [method, text, fields] of whole) {
    it(`is ${JSON.stringify(text)}`, () => {
      const found = soleRequest(Buffer.from(text, 'latin1'))
      expect(found).to.deep.equal({ method, url: text.split(' ')[1], fields })
    })
  }

  const others: [string, string][] = [
    ['half a head', get('/').slice(0, -1)],
    ['a body that is not all there', post('12', 'Content-Length: 3\r\n')],
    ['two requests', get('/') + get('/')],
    ['more than its body', post('123', 'Content-Length: 2\r\n')],
    ['a body without a length', post('1', '')],
    ['two lengths', post('12', 'Content-Length: 2\r\nContent-Length: 2\r\n')],
    ['two lengths in one', post('12', 'Content-Length: 2, 2\r\n')],
    ['a length that is no number', post('12', 'Content-Length: +2\r\n')],
    [
      'a length and chunks',
      post('0\r\n\r\n', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n'),
    ],
    ['a folded field', get('/', 'X: y\r\n Content-Length: 2\r\n')],
    ['white space before a colon', get('/', 'Content-Length : 0\r\n')],
    ['a line that ends without CR', get('/', 'X: y\nContent-Length: 2\r\n')],
    ['a CR in a field', get('/', 'X: y\rz\r\n')],
    ['NUL', get('/', 'X: \0\r\n')],
    ['no Host', 'GET / HTTP/1.1\r\nX: y\r\n\r\n'],
    ['two of Host', get('/', 'host: there\r\n')],
    ['the end of its connection', get('/', 'Connection: close\r\n')],
    ['the same to a proxy', get('/', 'Proxy-Connection: close\r\n')],
    ['what waits to be asked for its body', post('', 'Expect: 100-continue\r\n')],
    ['another protocol', get('/', 'Connection: upgrade\r\nUpgrade: h2c\r\n')],
    ['HTTP/1.0', get('/').replace('1.1', '1.0')],
    ['an answer without a body', get('/').replace('GET', 'HEAD')],
    ['an absolute target', get('http://there/')],
    ['a line ahead of it', `\r\n${get('/')}`],
  ]
  for (const [what, text] of others) {
    it(`is not ${what}`, () => {
      expect(soleRequest(Buffer.from(text, 'latin1'))).to.equal(undefined)
    })
  }
})

describe('refusing ahead of the parser', () => {
  const early = 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 5\r\n\r\nearly'
  let server: Server
  let isFull = true
  /** What `node:http` has read. */
  let read: string[] = []
  /** When what is served is answered. */
  let held: Promise<unknown> = turn()
  const open: Socket[] = []
  before(async () => {
    const doorstep = createDoorstep(({ url }) => (isFull && url !== '/always' ? early : undefined))
    server = createServer((request, response) => {
      doorstep.arrived(request, response)
      read.push(request.url ?? '')
      if (isFull) {
        response.writeHead(503, { 'Content-Length': 4 }).end('late')
        doorstep.watch(request.socket)
      } else void held.then(() => response.end('done'))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  beforeEach(() => {
    isFull = true
    read = []
    held = turn()
  })
  afterEach(() => {
    for (const socket of open.splice(0)) socket.destroy()
  })
  after(() => {
    server.close()
  })

  /** A connection whose answers are told by their bodies. */
  async function caller() {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    open.push(socket)
    socket.setNoDelay(true)
    let text = ''
    socket.setEncoding('latin1').on('data', (piece: string) => {
      text += piece
    })
    await once(socket, 'connect')
    const answers = () => text.match(/early|late|done|400/g) ?? []
    let due = 0
    return {
      answers,
      /** Sends a piece, and waits for so many answers. */
      async send(piece: string, count = 1) {
        socket.write(piece, 'latin1')
        due += count
        while (answers().length < due) await once(socket, 'data')
        expect(answers()).to.have.length(due)
      },
      /** Sends a piece, and waits until it was read by `node:http` or here. */
      async sendPart(piece: string) {
        const before = received()
        socket.write(piece, 'latin1')
        await eventually('it is there', async () => received() === before + piece.length)
      },
    }
  }
  let received = () => 0
  before(() => {
    server.on('connection', (socket: Socket) => {
      received = () => socket.bytesRead
    })
  })

  it('begins where one was refused and the next was read alike, and ends where there is room', async () => {
    const { send, answers } = await caller()
    for (let i = 0; i < 4; i++) await send(post('a=b'))
    isFull = false
    await send(get('/served'))
    await send(post('a=b'))
    isFull = true
    await send(get('/refused'))
    await send(get('/always'))
    await send(get('/refused'))
    expect(answers().join(' ')).to.equal('late late early early done done early late early')
    expect(read.join(' ')).to.equal('/token /token /served /token /always')
  })

  it('takes no body for a request that came in a piece of its own, whatever stands in it', async () => {
    const { send, sendPart, answers } = await caller()
    for (let i = 0; i < 3; i++) await send(get('/'))
    const body = get('/smuggled')
    await send(post('', `Content-Length: ${body.length}\r\n`))
    await send(body + get('/after'))
    await send(post('', `Content-Length: ${body.length}\r\n`))
    await sendPart(body)
    await send(get('/after'))
    await send(get('/'))
    expect(answers().join(' ')).to.equal('late late early late late late late early')
    expect(read.join(' ')).to.equal('/ / /token /after /token /after')
  })

  for (const isWatched of [false, true]) {
    it(`takes no rest of a head for a request that was begun ${isWatched ? 'after' : 'before'} the connection was looked at`, async () => {
      const { send, sendPart, answers } = await caller()
      if (isWatched) for (let i = 0; i < 3; i++) await send(get('/'))
      // The second has a field more than what comes next, and the same first line.
      await send(`${get('/')}GET /x HTTP/1.1\r\nHost: here\r\nX: `)
      await sendPart('GET /x HTTP/1.1\r\nY: ')
      await send(get('/x'), 1)
      await send(get('/x'))
      await send(get('/x'))
      expect(answers().filter((each) => each === '400')).to.deep.equal([])
      expect(
        read.slice(-3).join(' '),
        'one of the three, and what shows that nothing is left',
      ).to.equal('/ /x /x')
      expect(answers().at(-1)).to.equal('early')
    })
  }

  it('answers in order what came together', async () => {
    const { send, answers } = await caller()
    for (let i = 0; i < 3; i++) await send(get('/'))
    isFull = false
    await send(get('/a') + get('/b') + get('/c'), 3)
    isFull = true
    await send(get('/d') + get('/e'), 2)
    await send(get('/f'))
    await send(get('/g'))
    expect(answers().slice(3).join(' ')).to.equal('done done done late late late early')
    expect(read.slice(2).join(' ')).to.equal('/a /b /c /d /e /f')
  })

  it('refuses nothing ahead of an answer that is due', async () => {
    const { send, sendPart, answers } = await caller()
    for (let i = 0; i < 3; i++) await send(get('/'))
    isFull = false
    const { promise, resolve } = Promise.withResolvers<void>()
    held = promise
    await sendPart(get('/slow'))
    isFull = true
    await sendPart(get('/next'))
    expect(answers()).to.have.length(3)
    resolve()
    await send('', 2)
    expect(answers().slice(3).join(' ')).to.equal('done late')
    // What came meanwhile is not answered when what was before it is.
    isFull = false
    const other = Promise.withResolvers<void>()
    held = other.promise
    await sendPart(get('/slow'))
    await sendPart('GET /x HTTP/1.1\r\nHost: here\r\nX: ')
    other.resolve()
    await send('')
    isFull = true
    await send(get('/x'))
    expect(read.slice(2).join(' ')).to.equal('/slow /next /slow /x')
  })
})
