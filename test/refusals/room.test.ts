import { expect } from 'chai'
import { createRoom, mostRemembered } from '../../src/refusals/room.ts'

describe('room for refusals', () => {
  it('remembers a bounded number of clients, the latest, and whether each had its share', () => {
    const room = createRoom()
    const about = { tenant: 'default', check: 'client_secret' } as const
    let now = 0
    for (let i = 0; i < 2 * mostRemembered; i++) {
      now += 200
      expect(room.take({ ...about, clientId: `client ${i}` }, now)).to.equal(true)
    }
    expect(room.size()).to.equal(mostRemembered)
    const clientId = 'often'
    const taken = Array.from({ length: 40 }, () => room.take({ ...about, clientId }, now))
    expect(taken.filter(Boolean)).to.have.length(20)
  })
})
