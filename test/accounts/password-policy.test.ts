import { expect } from 'chai'
import {
  compilePasswordList,
  loadPasswordLists,
  type PasswordList,
  readPasswordList,
} from '../../src/accounts/password-list.ts'
import { createPasswordPolicy, type PasswordOwner } from '../../src/accounts/password-policy.ts'
import { isDomainError } from '../../src/errors.ts'
import { refusalOf } from '../support/cores.ts'

describe('a new password', () => {
  let shipped: PasswordList
  before(async () => {
    const [list] = await loadPasswordLists(undefined)
    shipped = list as PasswordList
  })

  const ada = { email: 'ada.lovelace@engines.example', username: 'countess', name: 'Ada King' }
  function ruleOf(password: string, owner: PasswordOwner = ada, minLength = 8) {
    const names = ['keyturn', 'Acme Login', 'login.acme.example']
    try {
      createPasswordPolicy({ minLength, lists: [shipped], names }).check(password, owner)
      return undefined
    } catch (error) {
      if (!isDomainError(error, 'password_policy')) throw error
      expect(JSON.stringify(error.detail)).to.not.contain(password)
      return (error.detail as { rule: string }).rule
    }
  }

  it('needs 15 characters where the minimum is 15, counted as code points (ASVS 6.2.1)', () => {
    expect(ruleOf('mvqzkwpdhtrbns', ada, 15)).to.equal('too_short')
    expect(ruleOf('mvqzkwpdhtrbnsx', ada, 15)).to.equal(undefined)
    expect(ruleOf('😀🦆🌵🍋'.repeat(3), ada, 15)).to.equal('too_short')
  })

  it('may contain any characters (ASVS 6.2.5)', () => {
    for (const one of [
      'mvqzkwpdhtrbnsx',
      '905173846205571',
      ' '.repeat(15),
      '密码学家喜欢长句子而不是短词语',
      '🦆'.repeat(15),
    ]) {
      expect(ruleOf(one, ada, 15), one).to.equal(undefined)
    }
  })

  it('may have 256 characters, but not more than 1024 bytes (ASVS 6.2.9)', () => {
    for (const length of [64, 128, 256])
      expect(ruleOf('mvqzkwpd'.repeat(length / 8))).to.equal(undefined)
    expect(ruleOf('mvqz'.repeat(257))).to.equal('too_long')
  })

  it('must not be a leaked one in any case, or a repetition of one (ASVS 6.2.4, 6.2.12)', () => {
    for (const leaked of [
      'password1234',
      'Password1234',
      'PASSWORDPASSWORD',
      'iloveyouiloveyou',
      '1234567890123456',
      'qazwsxedcrfvtgb',
      'passwordstandard',
    ]) {
      expect(ruleOf(leaked), leaked).to.equal('compromised')
    }
  })

  it('must contain more than names of its owner and of the server (ASVS 6.1.2, 6.2.11)', () => {
    for (const expected of [
      'keyturnkeyturnkeyturn',
      'Keyturn-Acme-Login-1',
      'ada.lovelace@engines.example',
      'Lovelace2026!!',
      'countess countess 99',
      'ACME.LOGIN.lovelace',
      'ｌｏｖｅｌａｃｅ-countess',
    ]) {
      expect(ruleOf(expected), expected).to.equal('expected')
    }
    expect(ruleOf('lovelace rides a purple bicycle')).to.equal(undefined)
    expect(ruleOf('Lovelace2026!!', { email: 'bob@example.com' })).to.equal(undefined)
  })

  it('is looked up in a list that contains all its entries and has few false positives', async () => {
    const numbers = Array.from({ length: 5000 }, (_, i) => `listed entry ${i}`)
    const file = await compilePasswordList([...numbers, 'Listed Entry 7', 'short'], 8)
    const list = readPasswordList(file)
    expect(list.entries).to.equal(5000)
    expect(numbers.filter((one) => !list.has(one))).to.deep.equal([])
    expect(list.has('LISTED ENTRY 7')).to.equal(true)
    expect(list.has('short')).to.equal(false)
    const strangers = Array.from({ length: 20_000 }, (_, i) => `not in it ${i}`)
    // Each makes two look-ups among 5,000 of 2^32 values: one false positive in 400,000.
    expect(strangers.filter((one) => list.has(one)).length).to.be.at.most(4)
  })

  it('is also looked up in lists of SHA-1 values', async () => {
    const hashed = '5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:10434004'
    const list = readPasswordList(await compilePasswordList([hashed], 8))
    expect([list.has('password'), list.has('passwore')]).to.deep.equal([true, false])
  })

  it('cannot be checked with a damaged or missing list: loading the list fails', async () => {
    const file = await compilePasswordList(['password'], 8)
    const damaged = [file.subarray(0, -1), Buffer.from('password\n'), Buffer.alloc(0)]
    for (const each of damaged) expect(() => readPasswordList(each)).to.throw('expected')
    const refusal = await refusalOf(loadPasswordLists('/nonexistent/list'), 'config_invalid')
    expect(refusal.detail).to.equal('PASSWORD_LIST_FILE /nonexistent/list: ENOENT')
  })

  it('is checked in a fraction of a second when long and repetitive', () => {
    const began = process.cpuUsage()
    for (const long of ['a'.repeat(1024), 'ab'.repeat(512), '\u0301'.repeat(512)]) ruleOf(long)
    expect(process.cpuUsage(began).user, 'microseconds').to.be.below(1_000_000)
  })
})
