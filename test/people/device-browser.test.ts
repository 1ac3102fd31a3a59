import { expect } from 'chai'
import type { BrowserContextOptions, Page as Tab } from 'playwright-core'
import { anyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { inChromium } from '../support/browser.ts'
import { askFor, type DeviceAuthorization, startDevice } from '../support/devices.ts'
import { alice, furnish } from '../support/fixtures.ts'
import { expectRefusal, tokensIn } from '../support/protocol.ts'
import { expectToFit } from '../support/tab.ts'
import { complaintsOf, type Site, startSite } from './site.ts'

describe('people: connecting a device in Chromium', () => {
  let server: TestServer
  const openTab = inChromium()
  let site: Site

  before(async () => {
    ;[server, site] = await Promise.all([boot(anyStorage), startSite()])
    await furnish(server)
  })
  after(async () => {
    await site?.stop()
    await server?.stop()
  })

  /** One tab with a new profile. */
  async function open(options: BrowserContextOptions = {}) {
    const tab = await openTab(options)
    return { tab, complaints: complaintsOf(tab) }
  }

  async function signInAndAllow(tab: Tab): Promise<void> {
    await tab.fill('#username', alice.email)
    await tab.fill('#password', alice.password)
    await tab.click('#sign-in')
    // An account that already consented is not asked again.
    await tab.waitForSelector('#allow, #device-outcome')
    if (await tab.$('#allow')) await tab.click('#allow')
  }

  const outcome = (tab: Tab) => tab.getAttribute('#device-outcome', 'data-outcome')

  for (const javaScriptEnabled of [true, false]) {
    for (const width of [360, 1280]) {
      it(`types, compares, signs in and consents, ${width} px wide, ${javaScriptEnabled ? 'with' : 'without'} script (K-09)`, async () => {
        const device = await startDevice(server)
        const viewport = { width, height: 800 }
        const { tab, complaints } = await open({ javaScriptEnabled, viewport })
        await tab.goto(device.verification_uri)
        await expectToFit(tab)
        // The field gets the focus with the first frame, which may come after the load event.
        await tab.waitForSelector('#user_code:focus')
        await tab.keyboard.type(device.user_code.replace('-', ' ').toLowerCase())
        await tab.keyboard.press('Enter')
        await tab.waitForSelector('#confirm-form')
        expect(await tab.inputValue('#user_code')).to.equal(device.user_code)
        await expectToFit(tab)
        await tab.click('#continue')
        await signInAndAllow(tab)
        expect(await outcome(tab)).to.equal('allowed')
        await expectToFit(tab)
        tokensIn(await askFor(server, device))
        expect(complaints).to.deep.equal([])
      })
    }
  }

  it('follows a link that contains the code, and denies', async () => {
    const device = await startDevice(server)
    const { tab, complaints } = await open()
    const posts: string[] = []
    tab.on('request', (request) => {
      if (request.method() === 'POST') posts.push(new URL(request.url()).pathname)
    })
    site.html = `<a id="link" href="${device.verification_uri_complete}">Connect</a>`
    await tab.goto(site.origin)
    await tab.click('#link')
    expect(await tab.inputValue('#user_code')).to.equal(device.user_code)
    await tab.click('#check-code')
    await tab.waitForSelector('#confirm-form')
    await tab.reload()
    await tab.goBack()
    await tab.goForward()
    await tab.click('#deny')
    expect(await outcome(tab)).to.equal('denied')
    await tab.reload()
    expect(await outcome(tab)).to.equal('denied')
    expectRefusal(await askFor(server, device), 400, 'access_denied')
    expect(posts).to.deep.equal(['/device', '/device/confirm'])
    expect(complaints).to.deep.equal([])
  })

  it('refuses the code when it is entered again afterwards', async () => {
    const device = await startDevice(server)
    const { tab } = await open()
    await tab.goto(device.verification_uri_complete)
    await tab.click('#check-code')
    await tab.click('#continue')
    await signInAndAllow(tab)
    expect(await outcome(tab)).to.equal('allowed')
    await tab.goto(device.verification_uri_complete)
    await tab.click('#check-code')
    await tab.waitForSelector('#device-error')
    expect(await tab.inputValue('#user_code')).to.equal('')
  })

  it('cannot be framed, and refuses forms of another site (C23, C24)', async () => {
    const device: DeviceAuthorization = await startDevice(server)
    const { tab } = await open()
    await tab.goto(device.verification_uri_complete)
    const csrf = await tab.getAttribute('[name=csrf]', 'value')
    for (const address of ['/device', '/device/confirm', '/device/unknown']) {
      const blocked = tab.waitForEvent('console', {
        predicate: (message) =>
          /frame-ancestors|X-Frame-Options|Refused to (display|frame)|Framing/.test(message.text()),
      })
      site.html = `<iframe src="${server.issuer}${address}"></iframe>`
      await tab.goto(site.origin)
      expect((await blocked).type(), address).to.equal('error')
    }
    for (const path of ['/device', '/device/confirm']) {
      site.html =
        `<form method="post" action="${server.issuer}${path}"><input name="csrf" value="${csrf}">` +
        `<input name="user_code" value="${device.user_code}"><input name="decision" value="continue"></form>` +
        '<script>document.forms[0].submit()</script>'
      const answered = tab.waitForResponse((response) => response.request().method() === 'POST')
      await tab.goto(site.origin)
      expect((await answered).status(), path).to.equal(403)
      // This page must be there before the next navigation starts.
      await tab.waitForURL(server.issuer + path)
    }
    expectRefusal(await askFor(server, device), 400, 'authorization_pending')
  })
})
