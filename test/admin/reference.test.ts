import { expect } from 'chai'
import { routes } from '../../src/admin/routes.ts'
import { domainErrors } from '../../src/errors.ts'
import { complaintsOf } from '../people/site.ts'
import { faultsOf, keyboardFaults, narrowFaults } from '../support/accessibility.ts'
import { ask } from '../support/admin.ts'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { inChromium } from '../support/browser.ts'

describe('the reference of the admin API', () => {
  const server = booted(anyStorage)

  it('is a page with every route, schema and error of the document, and without broken links', async () => {
    const page = await ask(server, 'GET', '/')
    expect(page.status).to.equal(200)
    expect(page.headers.get('content-type')).to.match(/^text\/html/)
    const shown = page.root.querySelectorAll('details > summary > code').map(({ text }) => text)
    expect(shown).to.include.members(routes.map(({ method, path }) => `${method} ${path}`))
    const document = (await ask(server, 'GET', '/openapi.json')).json() as {
      components: { schemas: Record<string, unknown> }
    }
    expect(shown).to.include.members(Object.keys(document.components.schemas))
    const ids = new Set(page.root.querySelectorAll('[id]').map(({ id }) => id))
    for (const code of Object.keys(domainErrors)) expect(ids).to.include(`error-${code}`)
    for (const link of page.root.querySelectorAll('a[href^="#"]')) {
      expect(ids).to.include(link.getAttribute('href')?.slice(1))
    }
    expect(page.body).not.to.match(/<script|style=|https?:\/\/(?!localhost)/)
  })

  it('is also served without the trailing slash, at the resource identifier of tokens', async () => {
    const page = await ask(server, 'GET', '')
    expect([page.status, page.headers.get('location')]).to.deep.equal([308, '/admin/v1/'])
    expect((await ask(server, 'POST', '')).status).to.equal(404)
  })

  describe('in Chromium', () => {
    const open = inChromium()

    it('has no axe violations, expanded or not, is usable by keyboard, and fits into 320 pixels (WCAG 2.2 AA)', async () => {
      const tab = await open()
      await tab.goto(`${server.issuer}/admin/v1/`)
      expect(await faultsOf(tab)).to.deep.equal([])
      expect(await keyboardFaults(tab)).to.deep.equal([])
      const first = tab.locator('summary').first()
      await first.focus()
      await tab.keyboard.press('Enter')
      expect(await tab.locator('details[open]').count()).to.equal(1)
      await tab.evaluate(
        `for (const each of document.querySelectorAll('details')) each.open = true`,
      )
      expect(await faultsOf(tab)).to.deep.equal([])
      expect(await narrowFaults(tab)).to.deep.equal([])
    })

    it('opens without errors in the console, and expands without scripts', async () => {
      const tab = await open({ javaScriptEnabled: false })
      const complaints = complaintsOf(tab)
      await tab.goto(`${server.issuer}/admin/v1/#clients`)
      const operation = tab.locator('details', { hasText: 'Create a client' }).first()
      const facts = operation.locator('dl')
      expect(await facts.isVisible()).to.equal(false)
      await operation.locator('summary').click()
      expect(await facts.isVisible()).to.equal(true)
      expect(await facts.textContent()).to.match(/admin:clients:write.*Idempotency-Key/s)
      expect(complaints).to.deep.equal([])
    })
  })
})
