import { expect } from 'chai'
import { createPlaces } from '../../src/http/places.ts'

describe('places for requests', () => {
  /** Milliseconds. */
  let now = 0
  const opened = (most: number) => createPlaces(most, () => now)

  /** Takes all that there are, each for so long, for some seconds. @returns how many were taken at once at the end */
  function flood(places: ReturnType<typeof opened>, took: number, seconds: number): number {
    let taken = 0
    for (const until = now + seconds * 1000; now < until; now += took) {
      const leaves: (() => void)[] = []
      while (!places.areTaken(false)) leaves.push(places.take(false))
      taken = leaves.length
      now += took
      for (const leave of leaves) leave()
      now -= took
    }
    return taken
  }

  it('are as many as there may be while answers are quick', () => {
    expect(flood(opened(256), 50, 5)).to.equal(256)
  })

  it('are fewer while answers are slow, and as many again when they are quick', () => {
    const places = opened(256)
    expect(flood(places, 1000, 10)).to.equal(16)
    expect(flood(places, 100, 5)).to.equal(256)
  })

  it('are as many again when nobody asked for them for a while', () => {
    const places = opened(256)
    flood(places, 1000, 10)
    for (let i = 0; i < 10; i++) {
      now += 1000
      places.take(false)()
    }
    expect(flood(places, 1, 0.001)).to.equal(256)
  })

  it('never are fewer than are allowed, when those are few', () => {
    expect(flood(opened(3), 2000, 20)).to.equal(3)
  })

  it('are left to what goes on with what was begun, but for an eighth', () => {
    const places = opened(64)
    const leave = places.take(true)
    while (!places.areTaken(false)) places.take(false)
    let begun = 1
    while (!places.areTaken(true)) {
      places.take(true)
      begun++
    }
    expect(begun).to.equal(8)
    leave()
    leave()
    expect(places.areTaken(true)).to.equal(false)
    places.take(true)
    expect(places.areTaken(true)).to.equal(true)
  })
})
