import axe from 'axe-core'
import type { Page as Tab } from 'playwright-core'
import { widen } from './tab.ts'

/** Accessibility checks in Chromium: for screen readers, keyboard-only use and narrow screens. */

/** All rules of axe, including advice beyond WCAG. */
const everything = `{ resultTypes: ['violations'] }`
const contrastAlone = `{ resultTypes: ['violations'], runOnly: ['color-contrast', 'link-in-text-block'] }`

interface Violation {
  id: string
  impact: string
  nodes: Array<{ html: string; failureSummary: string }>
}

/** Findings of axe, one line each, of any impact. */
async function axeFaults(tab: Tab, options: string): Promise<string[]> {
  if (!(await tab.evaluate<boolean>('"axe" in globalThis'))) await tab.evaluate(axe.source)
  const { violations } = await tab.evaluate<{ violations: Violation[] }>(
    `axe.run(document, ${options})`,
  )
  return violations.flatMap(({ id, impact, nodes }) =>
    nodes.map(
      ({ html, failureSummary }) =>
        `${id} (${impact}) ${html.slice(0, 160)} ${failureSummary.replaceAll(/\s+/g, ' ')}`,
    ),
  )
}

/** Elements that overflow the page sideways, and by how many pixels. */
const overhang = `(() => {
  const { scrollWidth, clientWidth } = document.documentElement
  if (scrollWidth <= clientWidth) return []
  const wide = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > clientWidth + 0.5)
  return [scrollWidth - clientWidth + ' px too wide at ' + clientWidth + ': ' + wide.map(e => e.outerHTML.slice(0, 80)).join(' | ')]
})()`

/** Text that is cut off by the box it is in. */
const truncated = `[...document.querySelectorAll('body *:not(.kt-unseen):not(.kt-unseen *):not(input)')]
  .filter(e => e.clientWidth > 0 && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== 'visible')
  .map(e => 'cut off: ' + e.outerHTML.slice(0, 80))`

/** Overlapping labels, fields and buttons. */
const overlapping = `(() => {
  const all = [...document.querySelectorAll('label, a[href], button, input:not([type=hidden]), h1, h2')]
    .filter(e => e.checkVisibility() && !e.closest('.kt-unseen'))
    .map(e => {
      const range = document.createRange()
      range.selectNodeContents(e)
      return { e, box: e.matches('input, button') ? e.getBoundingClientRect() : range.getBoundingClientRect() }
    })
  const meet = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1
  return all.flatMap((one, i) => all.slice(i + 1)
    .filter(other => !one.e.contains(other.e) && !other.e.contains(one.e) && meet(one.box, other.box))
    .map(other => 'lies on another: ' + one.e.outerHTML.slice(0, 80) + ' | ' + other.e.outerHTML.slice(0, 80)))
})()`

/** Targets smaller than 24 pixels, except links in sentences (WCAG 2.2, 2.5.8). */
const small = `[...document.querySelectorAll('a[href], button, input:not([type=hidden]), summary')]
  .filter(e => e.checkVisibility() && !e.closest('.kt-unseen'))
  .map(e => [e, e.getBoundingClientRect(), e.type === 'checkbox' && e.labels[0]?.getBoundingClientRect()])
  .filter(([e, box, label]) => Math.max(box.height, label ? label.height : 0) < 24 || Math.max(box.width, label ? label.width : 0) < 24)
  .map(([e, box]) => 'small: ' + Math.round(box.width) + '×' + Math.round(box.height) + ' ' + e.outerHTML.slice(0, 80))`

/** Invalid fields without an explanation, and errors after which the focus is elsewhere (WCAG 3.3.1). */
const unexplained = `(() => {
  const faulty = [...document.querySelectorAll('[aria-invalid=true]')]
  const found = faulty
    .filter(e => !(e.getAttribute('aria-describedby') ?? '').split(' ').some(id => document.getElementById(id)?.matches('[role=alert]')))
    .map(e => 'does not say what is wrong: ' + e.outerHTML.slice(0, 120))
  const first = faulty[0]
  if (first && document.activeElement !== first && !faulty.includes(document.activeElement)) {
    found.push('the cursor is not in the faulty field: ' + document.activeElement.outerHTML.slice(0, 120))
  }
  return found
})()`

/** Animations despite `prefers-reduced-motion`. */
const moving = `[...document.querySelectorAll('*')]
  .filter(e => getComputedStyle(e).transitionDuration !== '0s' || getComputedStyle(e).animationName !== 'none')
  .map(e => 'moves: ' + e.outerHTML.slice(0, 80))`

async function found(tab: Tab, ...scripts: string[]): Promise<string[]> {
  return tab.evaluate<string[]>(`[${scripts.join(',')}].flat()`)
}

/** What does not fit at 320 pixels, and at 640 with text of twice the size (WCAG 2.2, 1.4.4 and 1.4.10). */
export async function narrowFaults(tab: Tab): Promise<string[]> {
  const usual = tab.viewportSize()?.width ?? 1280
  await widen(tab, 320)
  const faults = await found(tab, overhang, truncated, overlapping, small)
  await widen(tab, 640)
  await tab.evaluate(`document.documentElement.style.fontSize = '200%'`)
  faults.push(
    ...(await found(tab, overhang, truncated, overlapping)).map((fault) => `large text: ${fault}`),
  )
  await tab.evaluate(`document.documentElement.removeAttribute('style')`)
  await widen(tab, usual)
  return faults
}

/** Findings of axe in the light and dark schemes, and of the checks above. */
export async function faultsOf(tab: Tab): Promise<string[]> {
  await settled(tab)
  await tab.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' })
  const faults = (await axeFaults(tab, contrastAlone)).map((fault) => `in the dark: ${fault}`)
  await tab.emulateMedia({ colorScheme: 'light' })
  faults.push(...(await axeFaults(tab, everything)))
  faults.push(...(await found(tab, unexplained, moving)))
  return faults
}

/** Waits for the initial focus, which is set in a frame that may come after the load event. */
async function settled(tab: Tab): Promise<void> {
  await tab.waitForFunction(
    `(first => !first || document.activeElement === first)(document.querySelector('[autofocus]'))`,
  )
}

/** What Tab does not reach in reading order, and what it reaches without a visible focus. */
export async function keyboardFaults(tab: Tab): Promise<string[]> {
  if ((await faultsOnTheWay(tab)).length === 0) return []
  // A busy browser may lose the focus on the way; a real fault occurs again.
  await tab.reload()
  return faultsOnTheWay(tab)
}

async function faultsOnTheWay(tab: Tab): Promise<string[]> {
  await settled(tab)
  const stops = await tab.evaluate<number>(`(() => {
    const order = [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]')]
      .filter(e => e.tabIndex >= 0 && !e.disabled && e.checkVisibility({ visibilityProperty: true }))
    // Starts at the focused element and goes full circle.
    order.push(...order.splice(0, order.indexOf(document.activeElement) + 1))
    globalThis.ktKeys = { order, reached: [], unseen: [] }
    document.addEventListener('focusin', ({ target }) => {
      const { outlineStyle, outlineWidth } = getComputedStyle(target)
      const box = target.getBoundingClientRect()
      ktKeys.reached.push(target)
      if (outlineStyle === 'none' || parseFloat(outlineWidth) < 2 || box.width < 2 || box.height < 2) ktKeys.unseen.push(target)
    })
    return order.length
  })()`)
  // One more stop: the focus may rest on the document once.
  for (let stop = 0; stop <= stops; stop += 1) await tab.keyboard.press('Tab')
  return tab.evaluate<string[]>(`(() => {
    const { order, reached, unseen } = ktKeys
    const name = e => e?.outerHTML.slice(0, 100) ?? 'nothing'
    return [
      ...order.flatMap((e, i) => e === reached[i] ? [] : ['Tab ' + i + ' leads to ' + name(reached[i]) + ' instead of ' + name(e)]),
      ...unseen.map(e => 'the focus is not seen: ' + name(e)),
    ]
  })()`)
}
