import { expect } from 'chai'
import { redisConversation } from '../support/redis-wire.ts'
import { createGate, strikesAt } from './gate.ts'

describe('test support: points at which a process is killed', () => {
  /** @param background commands that are not counted */
  function strikesOf(commands: string[], ...background: string[]): string[] {
    const gate = createGate(() => undefined, new Set(background))
    gate.arm()
    const ignore = () => undefined
    const link = { toServer: ignore, toClient: ignore, cut: ignore }
    const { fromClient } = gate.relay('redis', redisConversation(), link)
    for (const name of commands) {
      fromClient(Buffer.from(`*1\r\n$${name.length}\r\n${name}\r\n`))
    }
    return strikesAt(gate.counted()).map(({ side, text, nth }) => `${side} ${text} ${nth}`)
  }

  it('include each write, after it', () => {
    expect(strikesOf(['GET', 'GET', 'SET', 'GET', 'DEL', 'SET'])).to.deep.equal([
      ...['after SET 1', 'after DEL 1', 'after SET 2'],
    ])
  })

  it('include a read after a read when the background has written in between', () => {
    expect(strikesOf(['GET', 'EXPIRE', 'GET', 'GET'], 'EXPIRE')).to.deep.equal(['before GET 2'])
  })

  it('do not include LISTEN, which a new connection sends', () => {
    expect(strikesOf(['GET', 'LISTEN', 'SET'])).to.deep.equal(['after SET 1'])
  })

  it('include the end of a transaction, before and after it', () => {
    const inTransaction = { store: 'postgres', nth: 1, within: true, written: 0 } as const
    const points = ['select 1', 'update t', 'commit'].map((text) => ({ ...inTransaction, text }))
    const begin = { ...inTransaction, text: 'begin', within: false }
    expect(strikesAt([begin, ...points]).map(({ side, text }) => `${side} ${text}`)).to.deep.equal([
      ...['before commit', 'after commit'],
    ])
  })
})
