import { expect } from 'chai'
import type { Page as Tab } from 'playwright-core'

/** A keyboard-only user: Tab, Enter, space and letters. */
export interface Typist {
  readonly tab: Tab
  /** Types an address. */
  open(url: string | URL): Promise<void>
  /** Tabs to a field and replaces its content. */
  type(field: string, text: string): Promise<void>
  /** Tabs to a link or button, presses it, and waits for the next page. */
  press(what: string): Promise<void>
  /** The same where the page stays, shows a message, and the focus stays. */
  pressInPlace(what: string, said: string): Promise<void>
  /** Ticks or unticks a box. */
  tick(box: string): Promise<void>
  /** Expects the focus in an invalid field that has an explanation. */
  expectFaultAt(field: string): Promise<void>
}

const FARTHEST = 80

/** @param arrived called on every page */
export function typistAt(tab: Tab, arrived: () => Promise<void>): Typist {
  const isAt = (selector: string) =>
    tab.evaluate<boolean>(`document.activeElement.matches(${JSON.stringify(selector)})`)

  /** What is to have the focus from the start gets it with a frame. */
  async function settle(): Promise<void> {
    if (await tab.$('[autofocus]')) await tab.waitForSelector('[autofocus]:focus')
    await arrived()
  }

  /**
   * Number of Tab presses to an element, by the order of the page; below 0 when it is behind. The caller then checks
   * that Tab leads there.
   */
  const stopsTo = (selector: string) =>
    tab.evaluate<number>(`(() => {
      const order = [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary')]
        .filter(e => e.tabIndex >= 0 && !e.disabled && e.checkVisibility({ visibilityProperty: true }))
      const stop = order.findIndex(e => e.matches(${JSON.stringify(selector)}))
      return stop - order.indexOf(document.activeElement)
    })()`)

  async function reach(selector: string): Promise<unknown> {
    const stops = await stopsTo(selector)
    for (let stop = 0; stop < stops; stop += 1) await tab.keyboard.press('Tab')
    // Otherwise Tab would still reach it by wrapping around at the end of the page.
    if (stops > 0 && (await stopsTo(selector)) < 0)
      throw new Error(`Tab passes ${selector} by at ${tab.url()}`)
    for (let stop = 0; stop < FARTHEST; stop += 1) {
      const { outline, there } = await tab.evaluate<{ outline: string; there: boolean }>(`({
        there: document.activeElement.matches(${JSON.stringify(selector)}),
        outline: getComputedStyle(document.activeElement).outlineStyle,
      })`)
      if (there) return expect(outline, `${selector} shows the focus`).to.equal('solid')
      await tab.keyboard.press('Tab')
    }
    throw new Error(`Tab does not lead to ${selector} at ${tab.url()}`)
  }

  return {
    tab,
    async open(url) {
      await tab.goto(String(url))
      await settle()
    },
    async type(field, text) {
      await reach(field)
      await tab.keyboard.press('Control+A')
      await tab.keyboard.press('Delete')
      // The first letter as a key press, the rest at once, as from an input method.
      await tab.keyboard.type(text.slice(0, 1))
      await tab.keyboard.insertText(text.slice(1))
    },
    async press(what) {
      await reach(what)
      const key = (await isAt('button')) ? 'Space' : 'Enter'
      await Promise.all([tab.waitForEvent('load'), tab.keyboard.press(key)])
      await settle()
    },
    async pressInPlace(what, said) {
      await reach(what)
      await tab.keyboard.press('Space')
      await tab.waitForSelector(`${said}:visible`)
      await tab.waitForSelector(`${what}:focus`)
    },
    async tick(box) {
      await reach(box)
      await tab.keyboard.press('Space')
    },
    async expectFaultAt(field) {
      const at = await tab.evaluate<Record<string, string | boolean>>(`(() => {
        const field = document.activeElement
        const ids = field.getAttribute('aria-describedby')?.split(' ') ?? []
        return {
          field: '#' + field.id,
          faulty: field.getAttribute('aria-invalid') === 'true',
          explained: ids.some(id => document.getElementById(id)?.matches('[role=alert]')),
          titled: /^Error: /.test(document.title),
        }
      })()`)
      expect(at).to.deep.equal({ field, faulty: true, explained: true, titled: true })
    },
  }
}
