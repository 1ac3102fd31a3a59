import { type Browser, chromium } from 'playwright-core'
import { findProgram } from './binaries.ts'
import { sayLoudly, servicesRequired } from './root-hooks.ts'

/** The first is Chromium without windows, which takes a third of the processor time. */
const programs = ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome']

const ARGUMENTS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/**
 * Starts the machine's Chromium with a fresh profile in a temporary folder, which goes with it; the
 * caller closes it. `undefined`, said loudly, when the machine has none.
 *
 * @throws Error when there is none and `REQUIRE_SERVICES=1`.
 */
export async function launchBrowser(): Promise<Browser | undefined> {
  const executablePath = findProgram(...programs)
  if (executablePath === undefined) {
    const what = 'NOT TESTED in a browser: no chromium on this machine.'
    if (servicesRequired()) throw new Error(`${what} REQUIRE_SERVICES=1 asks for it.`)
    sayLoudly(what, 'Debian: apt-get install chromium-headless-shell, or chromium.')
    return undefined
  }
  return chromium.launch({ executablePath, args: ARGUMENTS, headless: true })
}
