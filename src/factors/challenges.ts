import { randomBytes } from 'node:crypto'
import type { Platform } from '../platform.ts'
import { equalInConstantTime, hashOf } from '../secrets/handle.ts'
import type { SingleUse } from '../single-use/single-use.ts'

/** What a challenge is good for: one thing, at one place. */
export interface Place {
  purpose: 'enrol' | 'second_factor' | 'sign_in'
  /** What only the browser that was given it can name: an interaction, a session, with the account if it is known. */
  binding: string
}

/** Milliseconds that somebody has to find a device and to unlock it. */
export const challengeLife = 600_000

const randomLength = 32
const timeLength = 8

/**
 * Challenges that devices sign (W3C Web Authentication §13.4.3; ASVS 6.7.2). One says by itself, under a MAC, what it is
 * for and until when, so that a flood of them fills nothing; what is stored is that one was used, where the primary key
 * decides who was first.
 */
export function createChallenges({
  sealer,
  clock,
  singleUse,
}: Pick<Platform, 'sealer' | 'clock'> & {
  singleUse: SingleUse
}) {
  const macOf = (tenant: string, { purpose, binding }: Place, body: Buffer) =>
    sealer.mac(
      'passkey-challenge',
      JSON.stringify([tenant, purpose, binding, body.toString('base64url')]),
    )

  return {
    make(tenant: string, place: Place): Buffer {
      const expiresAt = Buffer.alloc(timeLength)
      expiresAt.writeBigUInt64BE(BigInt(clock.now() + challengeLife))
      const body = Buffer.concat([randomBytes(randomLength), expiresAt])
      return Buffer.concat([body, Buffer.from(macOf(tenant, place, body), 'base64url')])
    },

    /**
     * Uses one up, whatever comes of it.
     * @param challenge base64url, as a device signed it
     * @returns why it does not count; undefined for the first caller alone
     */
    async claim(tenant: string, place: Place, challenge: string): Promise<string | undefined> {
      const bytes = Buffer.from(challenge, 'base64url')
      const body = bytes.subarray(0, randomLength + timeLength)
      const mac = bytes.subarray(body.length).toString('base64url')
      const isOurs = body.length === randomLength + timeLength
      if (!isOurs || !equalInConstantTime(mac, macOf(tenant, place, body))) {
        return 'the challenge was not made for this'
      }
      const expiresAt = Number(body.readBigUInt64BE(randomLength))
      if (expiresAt <= clock.now()) return 'the challenge is over'
      const key = { tenant, kind: 'passkey_challenge', key: hashOf(bytes.toString('base64url')) }
      const isFirst = await singleUse.spend(key, expiresAt, true)
      return isFirst ? undefined : 'the challenge was used'
    },
  }
}
