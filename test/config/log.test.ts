import { expect } from 'chai'
import fc from 'fast-check'
import { DomainError } from '../../src/errors.ts'
import { createLog, type Log } from '../../src/log.ts'

interface Line {
  [member: string]: unknown
  err: { [member: string]: unknown; causes: Record<string, unknown>[] }
}

/** A log and the lines that it wrote. */
function capture(level: 'trace' | 'warn' | 'silent' = 'trace') {
  const lines: string[] = []
  const log = createLog({ level, destination: { write: (line: string) => lines.push(line) } })
  return { log, lines }
}

function lineOf(write: (log: Log) => void): Line {
  const { log, lines } = capture()
  write(log)
  expect(lines).to.have.length(1)
  return JSON.parse(lines[0] ?? '') as Line
}

const jwt = `${Buffer.from('{"alg":"ES256"}').toString('base64url')}.e30.c2lnbmF0dXJl`

const pemLine = (words: string) => `-----${words} PRIVATE KEY-----`

describe('the log', () => {
  it('writes JSON lines with UTC time, level and service (ASVS 16.2.1, 16.2.2)', () => {
    const line = lineOf((log) => log.warn({ request_id: 'r1', status: 200 }, 'hello'))
    expect(line['time']).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    expect(line).to.include({ level: 'warn', service: 'keyturn', request_id: 'r1', status: 200 })
    expect(line).to.include({ msg: 'hello' })
    expect(line).not.to.have.any.keys('pid', 'hostname')
  })

  it('omits lines below its level', () => {
    const { log, lines } = capture('warn')
    log.info('quiet')
    log.error('loud')
    expect(lines).to.have.length(1)
    const { log: silent, lines: none } = capture('silent')
    silent.fatal('nothing')
    expect(none).to.deep.equal([])
  })

  it('keeps each entry on one line, whatever the values (ASVS 16.4.1)', () => {
    const { log, lines } = capture()
    const name = 'eve\r\n{"level":"info","msg":"forged"}\u001b[2J\u2028'
    log.child({ agent: name }).info({ [name]: name, err: new Error(name) }, name)
    expect(lines).to.have.length(1)
    expect(lines[0]).to.match(/^[^\r\n\u001b]+\n$/)
    expect(JSON.parse(lines[0] ?? '')).to.include({ msg: name, agent: name })
  })

  it('installs one exit listener, however many logs exist', () => {
    const before = process.listenerCount('exit')
    for (let i = 0; i < 3; i++) createLog({ level: 'silent' })
    expect(process.listenerCount('exit')).to.equal(before)
  })

  it('handles cyclic values', () => {
    const cycle: Record<string, unknown> = { name: 'a' }
    cycle['self'] = cycle
    expect(lineOf((log) => log.info({ cycle }))).to.have.nested.property('cycle.name', 'a')
  })
})

describe('redaction in the log (ASVS 16.2.5)', () => {
  const members = [
    ...['authorization', 'cookie', 'set-cookie', 'password', 'new_password', 'client_secret'],
    ...['code', 'access_token', 'refresh_token', 'id_token', 'token', 'client_assertion'],
    ...['code_verifier', 'csrf', 'one_time_password', 'Authorization'],
    ...['device_code', 'user_code', 'auth_req_id', 'client_notification_token'],
    ...['confirm_password', 'password_hash', 'assertion', 'login_hint_token'],
    ...['secret', 'authorization_header', 'current_password', 'otp', 'recovery_code'],
  ]

  for (const member of members) {
    it(`hides ${member} at every depth, in bindings and in form bodies`, () => {
      const { log, lines } = capture()
      const canary = 'canary-123'
      const secret = { [member]: canary }
      log.info({ ...secret, a: secret, b: { c: secret, d: [{ e: secret }] } })
      log.child(secret).child({ request: secret }).info('child')
      log.info({ [member]: [canary, { value: canary }] })
      log.info(`body was ${member}=${canary}&state=1`)
      log.info(`body was {"${member}": "${canary}"}`)
      expect(lines).to.have.length(5)
      expect(lines.join('')).not.to.include('canary')
      expect(lines[0]).to.include('[redacted]')
    })
  }

  for (const [what, text, rest] of [
    ['a JWT', `token ${jwt} refused`, 'token [redacted] refused'],
    ['a JWT in a path', `/x/${jwt}/y`, '/x/[redacted]/y'],
    ['a JWE', `${jwt}.a.b!`, '[redacted]!'],
    [
      'values of a query',
      'GET /a?x=canary&y=%41#z=1',
      'GET /a?x=[redacted]&y=[redacted]#z=[redacted]',
    ],
    ['credentials of a header', 'got Basic d2ViOmNhbmFyeTEyMw==', 'got Basic [redacted]'],
    [
      'a private key (RFC 7468 §10)',
      `got "${pemLine('BEGIN EC')}\ncanary\n${pemLine('END EC')}", no`,
      'got "[redacted]", no',
    ],
    ['a truncated private key', `got ${pemLine('BEGIN')}\ncan`, 'got [redacted]'],
    ['credentials of a URL', 'at postgres://u:canary@db/x', 'at postgres://[redacted]@db/x'],
  ] as const) {
    it(`hides ${what} in any text`, () => {
      const line = lineOf((log) => log.info({ a: { b: [text] }, err: new Error(text) }, text))
      expect(line['msg']).to.equal(rest)
      expect(line['a']).to.deep.equal({ b: [rest] })
      expect(line.err['message']).to.equal(rest)
      expect(line.err['stack']).to.include(rest)
    })
  }

  it('leaves harmless text unchanged', () => {
    for (const text of [
      '127.0.0.1',
      'id.example.com',
      'Bearer authentication',
      'a == b',
      '1.2.3',
    ]) {
      expect(lineOf((log) => log.info(text))['msg']).to.equal(text)
    }
  })

  it('finds the same in a line with and without a member that must be hidden', () => {
    const pieces = [
      'code',
      '"',
      "'",
      ':',
      ' ',
      '\t',
      '\\',
      '=',
      'x1',
      '?',
      '&',
      '//',
      '@',
      'eyJ.a.b',
      'Basic ',
      '-----BEGIN PRIVATE KEY',
      '\n',
    ]
    const text = fc
      .array(fc.constantFrom(...pieces), { maxLength: 12 })
      .map((each) => each.join(''))
    const loggedBesideSecret = (value: string) =>
      lineOf((log) => log.info({ token: '' }, value))['msg']
    fc.assert(
      fc.property(text, (value) => {
        expect(lineOf((log) => log.info(value))['msg']).to.equal(loggedBesideSecret(value))
      }),
      { numRuns: 2000 },
    )
  })

  it('takes linear time for a hostile value', () => {
    for (const unit of ['eyJ', 'eyJ.', '?', '?a', '//', '//a', 'code=', 'Basic ', '"code":']) {
      const text = unit.repeat(60_000)
      const began = process.cpuUsage()
      lineOf((log) => log.info({ text }))
      expect(process.cpuUsage(began).user, `${unit}, microseconds`).to.be.below(1_000_000)
    }
  })
})

describe('errors in the log', () => {
  it('show type, message, stack, code, detail and causes', () => {
    const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED', query: 'canary' })
    const detail = { check: 'ping', expected: 'PONG', password: 'canary' }
    const error = new DomainError('internal', { detail, cause })
    const { err } = lineOf((log) => log.error({ err: error }, 'failed'))
    expect(err).to.include({ type: 'DomainError', code: 'internal' })
    expect(err['stack']).to.include('log.test.ts')
    expect(err['detail']).to.deep.equal({ check: 'ping', expected: 'PONG', password: '[redacted]' })
    expect(err.causes).to.have.length(1)
    expect(err.causes[0]).to.include({ type: 'Error', message: 'refused', code: 'ECONNREFUSED' })
    expect(JSON.stringify(err)).not.to.include('canary')
  })

  it('omit the stack of expected errors that affect every request (503)', () => {
    const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
    const error = new DomainError('storage_unavailable', { detail: 'Postgres is away', cause })
    const { err } = lineOf((log) => log.error({ err: error }, 'failed'))
    expect(err).to.include({
      message: 'Postgres is away',
      code: 'storage_unavailable',
      stack: null,
    })
    expect(err.causes[0]).to.include({ message: 'refused', code: 'ECONNREFUSED', stack: null })
  })

  it('omit details that quote database rows', () => {
    const error = Object.assign(new Error('duplicate key'), { code: '23505', detail: 'canary' })
    const { err } = lineOf((log) => log.error(error))
    expect(err).to.include({ code: '23505' }).and.not.have.property('detail')
  })

  it('show at most five causes', () => {
    let error = new Error('0')
    for (let i = 1; i < 9; i += 1) error = new Error(String(i), { cause: error })
    const { err } = lineOf((log) => log.error(error))
    expect(err.causes.map((cause) => cause['message'])).to.deep.equal(['7', '6', '5', '4', '3'])
  })

  it('end a circular chain of causes', () => {
    const error = new Error('round')
    error.cause = error
    expect(lineOf((log) => log.error(error)).err.causes).to.have.length(5)
  })

  it('show the first of several errors', () => {
    const error = new AggregateError([new Error('v6 refused'), new Error('v4 refused')])
    const { err } = lineOf((log) => log.error(error))
    expect(err.causes.map((cause) => cause['message'])).to.deep.equal(['v6 refused'])
  })

  it('may be any thrown value', () => {
    const { err } = lineOf((log) => log.error({ err: 'text' }))
    expect(err).to.deep.equal({ type: 'string', message: 'text' })
  })
})
