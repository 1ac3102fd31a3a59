import { randomBytes } from 'node:crypto'
import type { Platform } from '../platform.ts'
import { equalInConstantTime, hashOf } from '../secrets/handle.ts'
import type { SingleUse } from '../single-use/single-use.ts'

/** What a challenge is valid for. */
export interface Place {
  purpose: 'enrol' | 'second_factor' | 'sign_in'
  /**
   * Known only to the browser that got the challenge: an interaction, or a session, with the account if it is known.
   */
  binding: string
}

/** Milliseconds to find a device and unlock it. */
export const challengeLife = 600_000

const randomLength = 32
const timeLength = 8

/**
 * Challenges that authenticators sign (W3C Web Authentication §13.4.3; ASVS 6.7.2). A challenge carries its purpose and
 * expiry under a MAC, so that a flood of them fills no storage. Only its use is stored; the primary key decides who was
 * first.
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
     * Consumes a challenge, even if it is refused.
     * @param challenge base64url, as the authenticator signed it
     * @returns why it is refused; undefined for the first caller alone
     */
    async claim(tenant: string, place: Place, challenge: string): Promise<string | undefined> {
      const bytes = Buffer.from(challenge, 'base64url')
      const body = bytes.subarray(0, randomLength + timeLength)
      const mac = bytes.subarray(body.length).toString('base64url')
      const isOurs = body.length === randomLength + timeLength
      if (!isOurs || !equalInConstantTime(mac, macOf(tenant, place, body))) {
        return 'the challenge was not issued for this purpose'
      }
      const expiresAt = Number(body.readBigUInt64BE(randomLength))
      if (expiresAt <= clock.now()) return 'the challenge has expired'
      const key = { tenant, kind: 'passkey_challenge', key: hashOf(bytes.toString('base64url')) }
      const isFirst = await singleUse.spend(key, expiresAt, true)
      return isFirst ? undefined : 'the challenge was already used'
    },
  }
}
