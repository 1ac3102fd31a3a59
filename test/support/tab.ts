import { expect } from 'chai'
import type { Page as Tab } from 'playwright-core'
import { eventually } from './eventually.ts'

/*
 * What somebody does at a page, each step when the page is ready for it: a key that comes before the cursor is lost, and
 * what is to have the cursor from the start has it with the first frame, which may come after the load event.
 */

/** Types into the field where the cursor waits. */
export async function typeInto(tab: Tab, field: string, text: string): Promise<void> {
  await tab.waitForSelector(`${field}:focus`)
  await tab.keyboard.type(text)
}

/** Goes to a link or a button, once it is to be seen, and presses it with a key. */
export async function press(tab: Tab, what: string): Promise<void> {
  await tab.waitForSelector(what)
  await tab.focus(what)
  await tab.waitForSelector(`${what}:focus`)
  await tab.keyboard.press('Enter')
}

/** The same where it leads to another page, which is there by then. */
export async function pressAndLeave(tab: Tab, what: string): Promise<void> {
  // The page may be loading still, and would be taken for the other one.
  await tab.waitForLoadState()
  await Promise.all([tab.waitForEvent('load'), press(tab, what)])
}

/** Nothing sticks out to the side. */
export async function expectToFit(tab: Tab): Promise<void> {
  const overhang = await tab.evaluate(
    'document.documentElement.scrollWidth - document.documentElement.clientWidth',
  )
  expect(overhang, tab.url()).to.equal(0)
}

/** Makes the page as wide as this, and waits until it is: Chromium answers before the page hears of it. */
export async function widen(tab: Tab, width: number): Promise<void> {
  await tab.setViewportSize({ width, height: 800 })
  await eventually(
    `it is ${width} px wide`,
    async () => (await tab.evaluate<number>('innerWidth')) === width,
  )
}
