import type { Page as Tab } from 'playwright-core'

/** A device that keeps passkeys, in Chromium. */
export interface VirtualAuthenticator {
  /** Whether it makes sure of its owner, without whom it neither makes nor shows anything. */
  setOwnerThere(there: boolean): Promise<void>
}

/** Plugs one in, whose owner is there. */
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
