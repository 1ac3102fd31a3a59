import { createHmac } from 'node:crypto'
import { createServer, type RequestListener } from 'node:http'
import Provider from 'oidc-provider'
import { cookieKey, engineConfiguration } from './engine-configuration.ts'
import { asked, people, resourceServers, web } from './scenario.ts'

/**
 * A program: the engine alone with its in-memory adapter, on `PORT`. A message makes it discard all state and sign
 * users in; the response has their cookies. Its adapter keeps a thousand records, and each additional record of a grant
 * makes it slower, so it is reset before each block.
 */
// It warns about its in-memory adapter each time.
console.warn = () => undefined
const issuer = `http://localhost:${process.env['PORT']}`
let handle: RequestListener

/** A signed cookie, in the format of the `cookies` library (RFC 2104, SHA-1). */
function signed(name: string, value: string): string {
  const signature = createHmac('sha1', cookieKey).update(`${name}=${value}`).digest('base64url')
  return `${name}=${value}; ${name}.sig=${signature}`
}

/** @returns the cookies of each user */
async function startAnew(): Promise<string[]> {
  const provider = new Provider(issuer, engineConfiguration)
  handle = provider.callback()
  return Promise.all(
    people.map(async (_, i) => {
      const grant = new provider.Grant({ accountId: String(i), clientId: web.client_id })
      grant.addOIDCScope([...new Set(asked.flatMap(({ scope }) => scope.split(' ')))].join(' '))
      for (const { identifier, scopes } of Object.values(resourceServers)) {
        grant.addResourceScope(identifier, scopes.join(' '))
      }
      const grantId = await grant.save()
      const session = new provider.Session()
      session.loginAccount({
        accountId: String(i),
        loginTs: Math.floor(Date.now() / 1000),
        amr: ['pwd'],
      })
      session.ensureClientContainer(web.client_id)
      session.grantIdFor(web.client_id, grantId)
      return signed('_session', await session.save(1_209_600))
    }),
  )
}

createServer((request, response) => handle(request, response)).listen(
  Number(process.env['PORT']),
  '127.0.0.1',
  () => void startAnew().then(() => process.send?.({ ready: true })),
)
process.on('message', () => void startAnew().then((cookies) => process.send?.({ cookies })))
process.on('disconnect', () => process.exit())
