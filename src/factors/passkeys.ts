import { isIP } from 'node:net'
import type * as WebAuthn from '@simplewebauthn/server'
import type { Platform } from '../platform.ts'
import type { SingleUse } from '../single-use/single-use.ts'
import { challengeLife, createChallenges, type Place } from './challenges.ts'
import { createPasskeyStore, type NewPasskey, type Passkey } from './passkey.store.ts'
import {
  challengeIn,
  Refused,
  readAssertion,
  readRegistration,
  requirePlainAttestation,
} from './passkey-answer.ts'

/** COSE algorithms: EdDSA, ES256, RS256 (RFC 9053, RFC 8812). */
const algorithms = [-8, -7, -257]

/** A valid answer, and what the authenticator reports with it. */
export interface Assured {
  passkey: Passkey
  counter: number
  backedUp: boolean
}

/** Loaded on first use: with its certificate parsers it is a fifth of all modules. */
const library = (): Promise<typeof WebAuthn> => import('@simplewebauthn/server')

export type Passkeys = ReturnType<typeof createPasskeys>

/**
 * The ceremonies of W3C Web Authentication, Level 3: §7.1 registration, §7.2 authentication. Origin and relying party
 * are those of the issuer's host. Tenants share them; so tenant and account of a key are looked up here, never taken
 * from the answer.
 */
export function createPasskeys(
  deps: Pick<Platform, 'config' | 'database' | 'clock' | 'sealer'> & {
    singleUse: SingleUse
  },
) {
  const { origin, hostname: rpID } = new URL(deps.config.issuer)
  const store = createPasskeyStore(deps)
  const challenges = createChallenges(deps)

  /** @throws Refused */
  async function claim(tenant: string, place: Place, challenge: string): Promise<void> {
    const fault = await challenges.claim(tenant, place, challenge)
    if (fault !== undefined) throw new Refused(fault)
  }

  /** Converts the library's errors. */
  const refuse = (error: Error): never => {
    throw new Refused(error.message)
  }

  return {
    store,
    /** A relying party id cannot be an IP address (WebAuthn §5.1.3). */
    isPossible: isIP(rpID.replaceAll(/[[\]]/g, '')) === 0,

    /** Options to create a passkey: a discoverable credential, with user verification. */
    async creationOptions(
      tenant: string,
      account: { id: string; email: string; name?: string },
      binding: string,
    ) {
      const known = await store.list(tenant, account.id)
      const { generateRegistrationOptions } = await library()
      return generateRegistrationOptions({
        rpName: deps.config.themeName,
        rpID,
        userName: account.email,
        userDisplayName: account.name ?? account.email,
        userID: Uint8Array.from(Buffer.from(await store.handleOf(tenant, account.id), 'base64url')),
        challenge: Uint8Array.from(challenges.make(tenant, { purpose: 'enrol', binding })),
        timeout: challengeLife,
        attestationType: 'none',
        excludeCredentials: known.map(asDescriptor),
        authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
        supportedAlgorithmIDs: algorithms,
      })
    },

    /** Options to request a signature: by one of the `known` keys, or by any that the person chooses. */
    requestOptions(
      tenant: string,
      place: Place,
      known: Passkey[] = [],
    ): WebAuthn.PublicKeyCredentialRequestOptionsJSON {
      return {
        rpId: rpID,
        challenge: challenges.make(tenant, place).toString('base64url'),
        timeout: challengeLife,
        allowCredentials: known.map((key) => ({ ...asDescriptor(key), type: 'public-key' })),
        userVerification: place.purpose === 'sign_in' ? 'required' : 'preferred',
      }
    },

    /** @throws Refused */
    async verifyNew(tenant: string, binding: string, answer: string): Promise<NewPasskey> {
      const response = readRegistration(answer)
      const challenge = challengeIn(response, 'webauthn.create')
      await claim(tenant, { purpose: 'enrol', binding }, challenge)
      await requirePlainAttestation(response)
      const { verifyRegistrationResponse } = await library()
      const { verified, registrationInfo: info } = await verifyRegistrationResponse({
        response: response as WebAuthn.RegistrationResponseJSON,
        expectedChallenge: challenge,
        expectedOrigin: origin,
        expectedRPID: rpID,
        expectedType: 'webauthn.create',
        requireUserVerification: true,
        supportedAlgorithmIDs: algorithms,
      }).catch(refuse)
      if (!verified) throw new Refused('the attestation is not valid')
      const { credential, credentialDeviceType, credentialBackedUp } = info
      if (credential.id !== response.id) throw new Refused('the response names another passkey')
      return {
        credentialId: credential.id,
        publicKey: Buffer.from(credential.publicKey).toString('base64url'),
        counter: credential.counter,
        transports: response.response.transports,
        backupEligible: credentialDeviceType === 'multiDevice',
        backedUp: credentialBackedUp,
      }
    },

    /**
     * Checks a signature, but not the counter: `store.use` does that.
     * @param accountId whose key it must be, if known; otherwise the answer must have a user handle
     * @throws Refused
     */
    async verify(
      tenant: string,
      place: Place,
      answer: string,
      accountId?: string,
    ): Promise<Assured> {
      const response = readAssertion(answer)
      const challenge = challengeIn(response, 'webauthn.get')
      await claim(tenant, place, challenge)
      const { userHandle } = response.response
      const found = await store.find(tenant, response.id)
      if (!found) throw new Refused('there is no such passkey')
      const { handle, ...passkey } = found
      const isTheirs = accountId === undefined || accountId === passkey.accountId
      const isNamed = userHandle === undefined ? accountId !== undefined : userHandle === handle
      if (!isTheirs || !isNamed) throw new Refused('the passkey belongs to another account')
      const { verifyAuthenticationResponse } = await library()
      const { verified, authenticationInfo: info } = await verifyAuthenticationResponse({
        response: response as WebAuthn.AuthenticationResponseJSON,
        expectedChallenge: challenge,
        expectedOrigin: origin,
        expectedRPID: rpID,
        expectedType: 'webauthn.get',
        requireUserVerification: place.purpose === 'sign_in',
        credential: {
          id: passkey.credentialId,
          publicKey: Uint8Array.from(Buffer.from(passkey.publicKey, 'base64url')),
          // 0, as the library would compare the counter before the signature.
          counter: 0,
        },
      }).catch(refuse)
      if (!verified) throw new Refused('the signature is not valid')
      const isSynced = info.credentialDeviceType === 'multiDevice'
      if (isSynced !== passkey.backupEligible)
        throw new Refused('the passkey changed between device-bound and synced')
      return { passkey, counter: info.newCounter, backedUp: info.credentialBackedUp }
    },
  }
}

const asDescriptor = ({ credentialId: id, transports }: Passkey) => ({ id, transports })
