import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page as Tab,
} from 'playwright-core'
import { findProgram } from './binaries.ts'
import { printNotice, runAtEnd, servicesRequired } from './root-hooks.ts'

/** The first is Chromium without a window system, which takes a third of the processor time. */
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

/** `undefined` with a loud message when none is installed; an error with `REQUIRE_SERVICES=1`. */
async function launchBrowser(): Promise<Browser | undefined> {
  const executablePath = findProgram(...programs)
  if (executablePath === undefined) {
    const what = 'NOT TESTED in a browser: no chromium on this machine.'
    if (servicesRequired()) throw new Error(`${what} REQUIRE_SERVICES=1 asks for it.`)
    printNotice(what, 'Debian: apt-get install chromium-headless-shell, or chromium.')
    return undefined
  }
  const browser = await chromium.launch({ executablePath, args: ARGUMENTS, headless: true })
  runAtEnd(() => browser.close())
  return browser
}

/** The Chromium of this process, started by the first test that needs it. */
let running: ReturnType<typeof launchBrowser> | undefined

/**
 * Declares a suite in Chromium, skipped where none is installed. Returns a function that opens a tab with a fresh
 * profile, which is removed after the test, or after the suite if a hook opened it.
 */
export function inChromium(): (options?: BrowserContextOptions) => Promise<Tab> {
  const contexts: BrowserContext[] = []
  let browser: Browser | undefined
  let ofSuite = 0
  const closeFrom = (index: number) =>
    Promise.all(contexts.splice(index).map((context) => context.close()))

  before(async function () {
    running ??= launchBrowser()
    browser = await running
    if (!browser) this.skip()
  })
  beforeEach(() => {
    ofSuite = contexts.length
  })
  afterEach(() => closeFrom(ofSuite))
  after(() => closeFrom(0))

  return async (options) => {
    if (!browser) throw new Error('no browser')
    const context = await browser.newContext(options)
    contexts.push(context)
    return context.newPage()
  }
}
