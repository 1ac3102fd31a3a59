import { expect } from 'chai'
import { loadConfig } from '../../config/load.ts'

describe('a variable that is nearly a setting', () => {
  const namesIn = (...names: string[]) =>
    loadConfig(Object.fromEntries(names.map((name) => [name, 'x']))).misspelt

  it('is reported with the setting that was probably meant', () => {
    expect(
      namesIn('ACCESS_TOKEN_TLL', 'REDIS_URI', 'SMTP_UR', 'KEY_ENCRYPTION_KEY_FIL'),
    ).to.deep.equal([
      'ACCESS_TOKEN_TLL (ACCESS_TOKEN_TTL?)',
      'KEY_ENCRYPTION_KEY_FIL (KEY_ENCRYPTION_KEY_FILE?)',
      'REDIS_URI (REDIS_URL?)',
      'SMTP_UR (SMTP_URL?)',
    ])
  })

  it('is ignored if that setting is set, or if the name is short', () => {
    const both = { SESSION_IDLE_TTL: '1h', SESSION_IDLE_TTLS: 'x', DATABASE_URI: '' }
    expect(loadConfig({ ...both, SESSION_IDLE_TTL: '3600' }).misspelt).to.deep.equal([])
    const others = 'PATH HOME HOSTNAME LOGNAME MAIL USER PORTS HOSTS PWD OLDPWD SHELL TZ LANG TERM'
    const services =
      'REDIS_PORT DATABASE_PORT REDIS_HOST POSTGRES_URL NODE_ENV NODE_OPTIONS DATADIR_X'
    expect(namesIn(...others.split(' '), ...services.split(' '))).to.deep.equal([])
  })
})
