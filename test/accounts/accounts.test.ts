import { install } from '@sinonjs/fake-timers'
import { expect } from 'chai'
import { type Accounts, createAccounts } from '../../src/accounts/accounts.ts'
import type { SecondStep } from '../../src/accounts/authenticated.ts'
import type { HashQueue } from '../../src/accounts/hash-queue.ts'
import { createPasswords } from '../../src/accounts/password.ts'
import { createPasswordPolicy } from '../../src/accounts/password-policy.ts'
import { DomainError } from '../../src/errors.ts'
import { createLog } from '../../src/log.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { openedNodes, refusalOf } from '../support/cores.ts'

onAnyStorage('accounts', (kind) => {
  const nodes = openedNodes(kind)
  let accounts: Accounts
  const lines: string[] = []
  let hashes = 0
  let beforeHash: (nth: number) => void = () => undefined
  afterEach(() => {
    beforeHash = () => undefined
  })
  const queue: HashQueue = Object.assign(
    async <T>(work: () => Promise<T>) => {
      beforeHash(++hashes)
      return work()
    },
    { hasRoom: () => true },
  )
  const over = async (memoryKiB: number, secondStep?: () => SecondStep | undefined) =>
    createAccounts({
      ...nodes.a,
      passwords: await createPasswords({
        policy: createPasswordPolicy({ minLength: 8, lists: [], names: [] }),
        memoryKiB,
        iterations: 2,
        queue,
        log: createLog({ level: 'warn', destination: { write: (line) => void lines.push(line) } }),
      }),
      oneTimePasswordTtl: 3600,
      takesFactor: async () => false,
      secondStepOf: async () => secondStep?.(),
    })
  before(async () => {
    accounts = await over(1024)
    await nodes.a.tenants.declare({ id: 'other', name: 'Other' })
  })

  it('are not all read at start, however many there are', async () => {
    const { database } = nodes.a
    await database.query(
      `insert into accounts (tenant_id, id, email, email_key, email_verified, roles, created_at, updated_at)
       select 'default', 'many-' || i, 'many' || i || '@example.com', 'many' || i || '@example.com', true, '{}', now(), now()
       from generate_series(1, 200) i`,
    )
    const { query } = database
    const rows: number[] = []
    database.query = async <T>(sql: string, parameters?: unknown[]) => {
      const found = await query<T>(sql, parameters)
      rows.push(found.length)
      return found
    }
    try {
      expect(await nodes.a.firstStart()).to.equal(undefined)
    } finally {
      database.query = query
    }
    expect(rows).not.to.deep.equal([])
    expect(Math.max(...rows)).to.be.lessThan(100)
    expect(await accounts.hasOperator(defaultTenant)).to.equal(true)
    expect(await accounts.hasOperator('other')).to.equal(false)
    await database.query("delete from accounts where id like 'many-%'")
  })

  const password = 'down the rabbit hole'
  const visitor = { ip: '192.0.2.1' }
  let people = 0
  const nextEmail = () => `person${people++}@example.com`
  async function someone(members: { username?: string } = {}) {
    const { account } = await accounts.create(defaultTenant, {
      email: nextEmail(),
      password,
      ...members,
    })
    return account
  }
  const signIn = (identifier: string, given = password) =>
    accounts.authenticate(defaultTenant, identifier, given, visitor)

  it('sign in with their address or user name, and only with the right password', async () => {
    const account = await someone({ username: 'Hatter' })
    for (const identifier of [account.email, 'Hatter']) {
      expect((await signIn(identifier)).account).to.deep.equal(account)
      await refusalOf(signIn(identifier, 'another password'), 'credentials_invalid')
    }
    await refusalOf(
      accounts.authenticate('other', account.email, password, visitor),
      'credentials_invalid',
    )
  })

  it('are found whatever the case, width or surrounding spaces of the identifier (C9)', async () => {
    const account = await someone({ username: 'Dormouse' })
    const wide = account.email.replace('person', 'ｐｅｒｓｏｎ')
    for (const variant of [
      account.email.toUpperCase(),
      `  ${account.email}\t`,
      wide,
      wide.toUpperCase(),
      'DORMOUSE',
      ' ｄormouse ',
    ]) {
      expect((await signIn(variant)).account.id, variant).to.equal(account.id)
    }
    for (const email of [account.email.toUpperCase(), ` ${account.email}`, wide]) {
      await refusalOf(accounts.create(defaultTenant, { email, password }), 'account_exists')
    }
    await refusalOf(
      accounts.create(defaultTenant, { email: nextEmail(), username: 'dorMouse' }),
      'account_exists',
    )
  })

  it('cost one hash per sign-in, whether unknown, disabled, without a password or with a wrong one (ASVS 6.3.8)', async () => {
    const known = await someone()
    const disabled = await someone()
    await accounts.setDisabled(disabled, true)
    const bare = await someone()
    await nodes.a.database.execute('delete from passwords where account_id = $1', [bare.id])
    const costs: Record<string, number> = {}
    for (const [who, identifier, given] of [
      ['known', known.email, password],
      ['wrong', known.email, 'another password'],
      ['unknown', 'nobody@example.com', password],
      ['disabled', disabled.email, password],
      ['bare', bare.email, password],
    ] as const) {
      hashes = 0
      const refused = await signIn(identifier, given).then(
        () => false,
        () => true,
      )
      expect(refused, who).to.equal(who !== 'known')
      costs[who] = hashes
    }
    expect(costs).to.deep.equal({ known: 1, wrong: 1, unknown: 1, disabled: 1, bare: 1 })
  })

  it('are refused with one public message; only the log gets the reason', async () => {
    const disabled = await someone()
    await accounts.setDisabled(disabled, true)
    const known = await someone()
    const refusals = await Promise.all(
      [
        signIn('nobody@example.com'),
        signIn(disabled.email),
        signIn(known.email, 'another password'),
      ].map((work) => refusalOf(work, 'credentials_invalid')),
    )
    expect(new Set(refusals.map(({ publicMessage }) => publicMessage)).size).to.equal(1)
    const reasons = refusals.map(({ detail }) => (detail as { reason: string }).reason)
    expect(reasons).to.deep.equal([
      'no account has this identifier',
      'the account is disabled',
      'the password is wrong',
    ])
  })

  async function hashOf({ id }: { id: string }): Promise<string> {
    const [row] = await nodes.a.database.query<{ hash: string }>(
      'select hash from passwords where account_id = $1',
      [id],
    )
    return row?.hash ?? ''
  }

  it('have their password rehashed at sign-in after the hash parameters were raised', async () => {
    const account = await someone()
    const stronger = await over(2048)
    expect(await hashOf(account)).to.contain('m=1024')
    await refusalOf(stronger.authenticate(defaultTenant, account.email, 'wrong password', visitor))
    expect(await hashOf(account), 'not after a wrong password').to.contain('m=1024')
    await stronger.authenticate(defaultTenant, account.email, password, visitor)
    expect(await hashOf(account)).to.contain('m=2048')
    hashes = 0
    await stronger.authenticate(defaultTenant, account.email, password, visitor)
    expect(hashes, 'not rehashed again').to.equal(1)
  })

  it('sign in when the queue has no room to rehash the password, which is rehashed the next time', async () => {
    const account = await someone()
    const stronger = await over(2048)
    hashes = 0
    beforeHash = (nth) => {
      if (nth === 2) throw new DomainError('hash_queue_full')
    }
    for (const expected of ['m=1024', 'm=2048']) {
      const signedIn = await stronger.authenticate(defaultTenant, account.email, password, visitor)
      expect(signedIn).to.deep.equal({ account })
      expect(await hashOf(account)).to.contain(expected)
    }
  })

  it('are asked for a factor that was added while their password was being rehashed', async () => {
    const account = await someone()
    let secondStep: SecondStep | undefined
    const stronger = await over(2048, () => secondStep)
    hashes = 0
    beforeHash = (nth) => {
      if (nth === 2) secondStep = 'factor'
    }
    const signedIn = await stronger.authenticate(defaultTenant, account.email, password, visitor)
    expect(signedIn).to.deep.equal({ account, secondStep: 'factor' })
  })

  it('are inactive while disabled, and active again once enabled', async () => {
    const account = await someone()
    expect(await accounts.setDisabled(account, true)).to.equal(true)
    expect(await accounts.setDisabled(account, true), 'already disabled').to.equal(false)
    expect(await accounts.active(defaultTenant, account.id)).to.equal(undefined)
    await accounts.setDisabled(account, false)
    expect((await accounts.active(defaultTenant, account.id))?.id).to.equal(account.id)
    expect((await signIn(account.email)).account.id).to.equal(account.id)
  })

  it('are not created when the password is refused', async () => {
    const email = nextEmail()
    await refusalOf(accounts.create(defaultTenant, { email, password: 'short' }), 'password_policy')
    expect(await accounts.byIdentifier(defaultTenant, email)).to.equal(undefined)
  })

  it('cannot have a user name that could be an address', async () => {
    for (const username of ['a@b', 'a＠b']) {
      await refusalOf(
        accounts.create(defaultTenant, { email: nextEmail(), username, password }),
        'apply_invalid',
      )
    }
  })

  it('are unchanged when declared twice, and updated by a different declaration', async () => {
    const declared = { email: nextEmail(), name: 'Alice', username: `u${people}`, password }
    expect(await accounts.declare(defaultTenant, declared)).to.equal('created')
    expect(await accounts.declare(defaultTenant, declared)).to.equal('unchanged')
    const renamed = { ...declared, name: 'Alice Liddell' }
    expect(await accounts.declare(defaultTenant, renamed)).to.equal('updated')
    const { email } = declared
    expect(await accounts.declare(defaultTenant, { email, password: 'a new password' })).to.equal(
      'password_changed',
    )
    const { account } = await signIn(email, 'a new password')
    expect(account).to.include({ name: 'Alice Liddell', username: declared.username })
    await refusalOf(signIn(email), 'credentials_invalid')
  })

  it('are hashed before the transaction that declares them, and again only if the password changed in between', async () => {
    const email = 'ahead@example.com'
    const wanted = { email, password: 'hashed ahead of it' }
    const ready = await accounts.readyDeclared(defaultTenant, wanted)
    const declare = (ahead = ready) => accounts.declare(defaultTenant, wanted, ahead)
    const before = hashes
    expect(await declare()).to.equal('created')
    const current = await accounts.readyDeclared(defaultTenant, wanted)
    expect(await declare(current)).to.equal('unchanged')
    expect(hashes - before, 'one hash, to compare it').to.equal(1)
    await accounts.declare(defaultTenant, { email, password: 'somebody else was first' })
    expect(await declare(current)).to.equal('password_changed')
    expect((await signIn(email, wanted.password)).account.email).to.equal(email)
  })

  it('with an unverifiable hash are refused as for a wrong password, and logged once', async () => {
    const account = await someone()
    await nodes.a.database.execute('update passwords set hash = $2 where account_id = $1', [
      account.id,
      '$argon2id$v=19$m=1024,t=2,p=1$short$key',
    ])
    lines.length = 0
    for (let i = 0; i < 2; i++) {
      const { detail } = await refusalOf(signIn(account.email), 'credentials_invalid')
      expect(detail).to.deep.include({ reason: 'the password is wrong' })
    }
    expect(lines).to.have.length(1)
    expect(JSON.parse(lines[0] as string)).to.include({ level: 'error', account: account.id })
    expect(lines[0]).not.to.contain('argon2id')
  })

  it('that were imported sign in with the imported hash, which is then replaced by our own', async () => {
    const email = nextEmail()
    const passwordHash = '$2y$05$mi31ClAp/spYtzxKPRp6x.Qnt54aPUhlv0cJkXYOq73d5tG/k2Z/e'
    const imported = { email, passwordHash }
    expect(await accounts.declare(defaultTenant, imported)).to.equal('created')
    expect(await accounts.declare(defaultTenant, imported)).to.equal('unchanged')
    await refusalOf(signIn(email, 'another password'), 'credentials_invalid')
    const { account } = await signIn(email, 'pw of old')
    expect(await hashOf(account)).to.match(/^\$argon2id\$/)
    expect(await accounts.declare(defaultTenant, imported), 'our hash').to.equal('unchanged')
    await signIn(email, 'pw of old')
  })

  it('are created in bulk, except those whose address or user name is taken', async () => {
    const known = await someone({ username: 'Cheshire' })
    const passwordHash = '$2y$05$mi31ClAp/spYtzxKPRp6x.Qnt54aPUhlv0cJkXYOq73d5tG/k2Z/e'
    const wanted = [
      { email: nextEmail(), username: 'Duchess', passwordHash },
      { email: known.email.toUpperCase(), passwordHash },
      { email: nextEmail(), username: 'cheshire' },
      { email: nextEmail(), username: 'duchess' },
      { email: nextEmail() },
    ]
    expect(await accounts.createAll(defaultTenant, wanted)).to.deep.equal([
      true,
      false,
      false,
      false,
      true,
    ])
    const { account } = await signIn('duchess', 'pw of old')
    expect(account.email).to.equal(wanted[0]?.email)
    await signIn(known.email)
    await refusalOf(signIn(wanted[4]?.email as string), 'credentials_invalid')
    const mailed = await nodes.a.database.query<{ email: string }>(
      `select a.email from audit_events e join accounts a on a.id = e.account_id
       where e.type = 'account.created' and a.email = any($1)`,
      [wanted.map(({ email }) => email)],
    )
    expect(mailed.map(({ email }) => email)).to.have.members([wanted[0]?.email, wanted[4]?.email])
  })

  describe('with a one-time password', () => {
    async function invited() {
      const { account, oneTimePassword } = await accounts.create(defaultTenant, {
        email: nextEmail(),
      })
      return { account, oneTime: oneTimePassword as string }
    }
    async function verified() {
      const { account, oneTime } = await invited()
      const { mustChange } = await signIn(account.email, oneTime)
      if (!mustChange) throw new Error('expected that the one-time password must be changed')
      return { account, oneTime, mustChange }
    }

    it('must choose a new password, which replaces it', async () => {
      const { account, oneTime, mustChange } = await verified()
      await accounts.choosePassword(mustChange, password)
      expect(await signIn(account.email)).to.deep.equal({ account })
      await refusalOf(signIn(account.email, oneTime), 'credentials_invalid')
    })

    it('choose a password only once after a verification', async () => {
      const { account, mustChange } = await verified()
      await accounts.choosePassword(mustChange, password)
      await refusalOf(accounts.choosePassword(mustChange, 'of an attacker'), 'credentials_invalid')
      await signIn(account.email)
    })

    it('choose a password only once when two choices arrive at the same moment', async () => {
      const { account, mustChange } = await verified()
      const choices = ['first choice', 'second choice']
      const outcomes = await Promise.allSettled(
        choices.map((choice) => accounts.choosePassword(mustChange, choice)),
      )
      const won = choices.filter((_, i) => outcomes[i]?.status === 'fulfilled')
      expect(won).to.have.length(1)
      await signIn(account.email, won[0])
    })

    it('cannot use it after it was replaced', async () => {
      const { account, oneTime, mustChange } = await verified()
      const fresh = await accounts.resetPassword(account, await accounts.readyOneTime())
      await refusalOf(accounts.choosePassword(mustChange, password), 'credentials_invalid')
      await refusalOf(signIn(account.email, oneTime), 'credentials_invalid')
      expect((await signIn(account.email, fresh)).mustChange).to.be.an('object')
    })

    it('cannot keep it or choose a password against the rules, and can try again', async () => {
      const { account, oneTime, mustChange } = await verified()
      const same = await refusalOf(accounts.choosePassword(mustChange, oneTime), 'password_policy')
      expect(same.detail).to.include({ rule: 'same' })
      await refusalOf(accounts.choosePassword(mustChange, 'short'), 'password_policy')
      await accounts.choosePassword(mustChange, password)
      await signIn(account.email)
    })

    it('cannot use it after it expired; only the right one gets that error', async () => {
      const { account, oneTime } = await invited()
      const clock = install({ now: Date.now() + 3600_000, toFake: ['Date'] })
      try {
        await refusalOf(signIn(account.email, oneTime), 'one_time_password_expired')
        await refusalOf(signIn(account.email, 'another password'), 'credentials_invalid')
      } finally {
        clock.uninstall()
      }
      expect((await signIn(account.email, oneTime)).mustChange).to.be.an('object')
    })
  })
})
