import { expect } from 'chai'
import type { Page as Tab } from 'playwright-core'
import { eventually } from './eventually.ts'

/*
 * User actions on a page, each when the page is ready: a key pressed before the focus is set is lost, and the initial
 * focus is set with the first frame, which may come after the load event.
 */

/** Types into the field once it has the focus. */
export async function typeInto(tab: Tab, field: string, text: string): Promise<void> {
  await tab.waitForSelector(`${field}:focus`)
  await tab.keyboard.type(text)
}

/** Focuses a link or button once it is visible, and presses it by key. */
export async function press(tab: Tab, what: string): Promise<void> {
  await tab.waitForSelector(what)
  await tab.focus(what)
  await tab.waitForSelector(`${what}:focus`)
  await tab.keyboard.press('Enter')
}

/** The same, and waits for the next page. */
export async function pressAndLeave(tab: Tab, what: string): Promise<void> {
  // The current page may still be loading; its load event must not count as that of the next.
  await tab.waitForLoadState()
  await Promise.all([tab.waitForEvent('load'), press(tab, what)])
}

/** Expects no horizontal overflow. */
export async function expectToFit(tab: Tab): Promise<void> {
  const overhang = await tab.evaluate(
    'document.documentElement.scrollWidth - document.documentElement.clientWidth',
  )
  expect(overhang, tab.url()).to.equal(0)
}

/** Resizes the page and waits for it: Chromium answers before the page knows. */
export async function widen(tab: Tab, width: number): Promise<void> {
  await tab.setViewportSize({ width, height: 800 })
  await eventually(
    `the window is ${width} px wide`,
    async () => (await tab.evaluate<number>('innerWidth')) === width,
  )
}
