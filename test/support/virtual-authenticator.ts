import type { Page as Tab } from 'playwright-core'

/** A virtual authenticator in Chromium. */
export interface VirtualAuthenticator {
  /** Whether user verification succeeds; without it the authenticator does nothing. */
  setOwnerThere(there: boolean): Promise<void>
}

/** Adds one, with user verification. */
export async function plugIn(tab: Tab): Promise<VirtualAuthenticator> {
  const cdp = await tab.context().newCDPSession(tab)
  await cdp.send('WebAuthn.enable')
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      ...{ protocol: 'ctap2', transport: 'internal', hasResidentKey: true },
      ...{ hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
    },
  })
  return {
    async setOwnerThere(isUserVerified) {
      await cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified })
    },
  }
}
