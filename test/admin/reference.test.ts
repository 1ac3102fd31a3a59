import { expect } from 'chai'
import { routes } from '../../src/admin/routes.ts'
import { domainErrors } from '../../src/errors.ts'
import { complaintsOf } from '../people/site.ts'
import { ask } from '../support/admin.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { launchBrowser } from '../support/browser.ts'

describe('the reference of the admin API', () => {
  let server: TestServer
  before(async () => {
    server = await boot('embedded')
  })
  after(() => server?.stop())

  it('is a page with every route, schema and error of the document, and links that lead somewhere', async () => {
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

  it('opens in a browser without complaints, and unfolds without scripts', async function () {
    const browser = await launchBrowser()
    if (!browser) this.skip()
    try {
      const context = await browser.newContext({ javaScriptEnabled: false })
      const tab = await context.newPage()
      const complaints = complaintsOf(tab)
      await tab.goto(`${server.issuer}/admin/v1/#clients`)
      const operation = tab.locator('details', { hasText: 'Create a client' }).first()
      const facts = operation.locator('dl')
      expect(await facts.isVisible()).to.equal(false)
      await operation.locator('summary').click()
      expect(await facts.isVisible()).to.equal(true)
      expect(await facts.textContent()).to.match(/admin:clients:write.*Idempotency-Key/s)
      expect(complaints).to.deep.equal([])
    } finally {
      await browser.close()
    }
  }).timeout(60_000)
})
