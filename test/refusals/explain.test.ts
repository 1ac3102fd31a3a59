import { expect } from 'chai'
import { type Explanation, explain } from '../../src/cli/explain.ts'
import type { CheckName } from '../../src/refusals/checks.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { api, callback, furnish, machine, spa, tv, web } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import { exchange } from '../support/http-exchange.ts'
import {
  authorizeUrl,
  basic,
  codeFor,
  encode,
  type Fields,
  post,
  redeem,
  refresh,
  signIn,
  tokensFor,
  tokensIn,
  userinfo,
  verifier,
} from '../support/protocol.ts'
import { sendForm, throughStack } from '../support/stack.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'

const strict = { ...web, client_id: 'strict', scope: 'openid orders:read', resources: [api] }
const pushes = { ...web, client_id: 'pushes', require_pushed_authorization_requests: true }
const signs = { ...web, client_id: 'signs', require_signed_request_object: true }

/** The refused request, the check that refuses it, and the text of the expected and the actual value. */
type Case = [what: string, ask: () => Promise<Page>, check: CheckName, said?: RegExp]

onAnyStorage('explain', (kind) => {
  const server = booted(kind, {}, furnish)
  let agent: UserAgent
  const stranger = createUserAgent()

  before(async () => {
    for (const client of [strict, pushes, signs])
      await server.core.clients.declare('default', client)
    agent = createUserAgent()
    await signIn(server, web, {}, agent)
  })
  afterEach(backToPresent)

  const ask = (fields: Fields, client = web, by = agent) =>
    by.get(authorizeUrl(server, client, fields))
  const token = (fields: Fields, client: Parameters<typeof post>[2] = web) =>
    post(server, '/token', client, fields)
  const why = async (page: Page) =>
    (await explain.execute(server.core, {
      id: page.headers.get('request-id') as string,
    })) as Explanation

  const authorization: Case[] = [
    ['an unknown client', () => ask({ client_id: 'webb' }), 'client_known', /received +webb/],
    ['no client', () => ask({ client_id: undefined }), 'parameters_present', /client_id/],
    ['a parameter twice', () => ask({ state: ['a', 'b'] }), 'parameters_once', /received +state/],
    [
      'another redirect URI',
      () => ask({ redirect_uri: 'http://localhost:9/callback/?token=secret' }),
      'redirect_uri_registered',
      /expected +http:\/\/localhost:9\/callback\nreceived +http:\/\/localhost:9\/callback\/\?token=\[6 characters\]/,
    ],
    [
      'no redirect URI',
      () => ask({ redirect_uri: undefined }),
      'parameters_present',
      /redirect_uri/,
    ],
    [
      'the implicit flow',
      () => ask({ response_type: 'token' }),
      'response_type_supported',
      /received +token/,
    ],
    [
      'an unknown mode',
      () => ask({ response_mode: 'pigeon' }),
      'response_mode_supported',
      /received +pigeon/,
    ],
    [
      'a scope that does not exist',
      () => ask({ scope: 'orders:fly', resource: api, nonce: undefined }),
      'scope_known',
      /received +orders:fly/,
    ],
    [
      'a scope not allowed for the client',
      () => ask({ scope: 'openid orders:write', resource: api }, strict),
      'scope_allowed',
      /expected +openid orders:read\nreceived +openid orders:write/,
    ],
    ['a scope with a quotation mark', () => ask({ scope: 'openid "a"' }), 'scope_characters'],
    [
      'OpenID parameters without openid',
      () => ask({ scope: 'orders:read', resource: api, claims: '{"id_token":{}}' }),
      'openid_requested',
      /received +orders:read/,
    ],
    [
      'a resource that is not a URI',
      () => ask({ resource: 'orders' }),
      'resource_uri',
      /received +orders/,
    ],
    [
      'a resource that does not exist',
      () => ask({ resource: 'https://other.example.com' }),
      'resource_known',
      /received +https:\/\/other/,
    ],
    [
      'a resource not allowed for the client',
      () => ask({ scope: 'openid', resource: server.issuer }, strict),
      'resource_allowed',
      /expected +https:\/\/api/,
    ],
    [
      'no PKCE',
      () => ask({ code_challenge: undefined, code_challenge_method: undefined }),
      'pkce_present',
      /received +nothing/,
    ],
    [
      'plain PKCE',
      () => ask({ code_challenge_method: 'plain' }),
      'pkce_method',
      /expected +S256\nreceived +plain/,
    ],
    [
      'a short challenge',
      () => ask({ code_challenge: 'short' }),
      'pkce_format',
      /received +\[5 characters\]/,
    ],
    ['an unknown prompt', () => ask({ prompt: 'nicely' }), 'prompt_supported', /received +nicely/],
    [
      'a max_age that is not a number',
      () => ask({ max_age: 'old' }),
      'max_age_number',
      /received +old/,
    ],
    ['claims that are not JSON', () => ask({ claims: '{' }), 'claims_parameter'],
    [
      'an unsupported essential acr',
      () => ask({ claims: '{"id_token":{"acr":{"essential":true,"value":"moon"}}}' }),
      'acr_reachable',
      /moon/,
    ],
    ['an invalid id_token_hint', () => ask({ id_token_hint: 'x.y.z' }), 'id_token_hint_valid'],
    ['a request that was not pushed', () => ask({}, pushes), 'request_pushed'],
    ['a request that was not signed', () => ask({}, signs), 'request_signed'],
    ['an invalid request object', () => ask({ request: 'x.y.z' }), 'request_object_valid'],
    [
      'a foreign request_uri',
      () => ask({ request_uri: 'https://evil.example.com/r' }),
      'request_uri_pushed',
      /evil/,
    ],
    [
      'an expired request_uri',
      () => ask({ request_uri: 'urn:ietf:params:oauth:request_uri:gone' }),
      'request_uri_alive',
    ],
    [
      'prompt=none without a session',
      () => ask({ prompt: 'none' }, web, stranger),
      'nobody_asked',
      /no user is signed in/,
    ],
  ]

  const tokens: Case[] = [
    [
      'a missing client',
      () => post(server, '/token', undefined, { grant_type: 'client_credentials' }),
      'authentication_present',
    ],
    [
      'an unknown client',
      () => token({ grant_type: 'client_credentials' }, { client_id: 'webb' }),
      'client_known',
    ],
    [
      'a wrong secret',
      () => token({ grant_type: 'client_credentials' }, { ...machine, client_secret: 'wrong' }),
      'client_secret',
      /received +\[5 characters\] by client_secret_basic/,
    ],
    [
      'a secret sent by another method',
      () =>
        token(
          { grant_type: 'client_credentials' },
          { ...machine, token_endpoint_auth_method: 'client_secret_post' },
        ),
      'authentication_method',
      /expected +client_secret_basic\nreceived +client_secret in the body/,
    ],
    [
      'a scope of another resource server',
      () => token({ grant_type: 'client_credentials', resource: api, scope: 'mail:send' }, machine),
      'scope_known',
      /reason +not a scope of https:\/\/api[^\n]*: send the resource server [^]*received +mail:send/,
    ],
    [
      'a grant type that does not exist',
      () => token({ grant_type: 'password' }),
      'grant_type_supported',
      /received +password/,
    ],
    [
      'a grant type not allowed for the client',
      () => token({ grant_type: 'client_credentials' }),
      'grant_type_allowed',
      /expected +authorization_code, refresh_token\nreceived +client_credentials/,
    ],
    [
      'a JSON body',
      () =>
        exchange({
          method: 'POST',
          url: new URL(`${server.issuer}/token`),
          headers: { 'content-type': 'application/json' },
          body: '{}',
        }),
      'body_form',
      /received +application\/json/,
    ],
    [
      'an unknown code',
      () => redeem(server, web, 'a-code-of-nobody'),
      'code_known',
      /received +\[16 characters\]/,
    ],
    [
      'a code used twice',
      async () => {
        const code = await codeFor(server, web, {}, agent)
        tokensIn(await redeem(server, web, code))
        return redeem(server, web, code)
      },
      'code_unused',
    ],
    [
      'concurrent uses of a code',
      async () => {
        const code = await codeFor(server, web, {}, agent)
        const form = throughStack({
          path: '/token',
          body: encode({
            grant_type: 'authorization_code',
            code,
            redirect_uri: callback,
            code_verifier: verifier,
          }),
          headers: { authorization: basic(web) },
        })
        const pages = await Promise.all([1, 2, 3, 4].map(() => sendForm(server, form)))
        const refused = pages.filter(({ status }) => status !== 200)
        expect(refused).to.have.length(3)
        const checks = await Promise.all(refused.map(async (page) => (await why(page)).check))
        expect(checks).to.deep.equal(Array(3).fill('code_unused'))
        return refused[0] as Page
      },
      'code_unused',
    ],
    [
      'an expired code',
      async () => {
        const code = await codeFor(server, web, {}, agent)
        travel(61)
        return redeem(server, web, code)
      },
      'code_current',
    ],
    [
      'a code of another client',
      async () => redeem(server, spa, await codeFor(server, web, {}, agent)),
      'code_known',
    ],
    [
      'a code for another redirect URI',
      async () =>
        redeem(server, web, await codeFor(server, web, {}, agent), {
          redirect_uri: `${callback}2`,
        }),
      'code_redirect_uri',
      /registered: http:\/\/localhost:9\/callback\nreceived +http:\/\/localhost:9\/callback2/,
    ],
    [
      'a code with another verifier',
      async () =>
        redeem(server, web, await codeFor(server, web, {}, agent), {
          code_verifier: `${verifier}-not`,
        }),
      'code_verifier',
      /received +\[\d+ characters\]/,
    ],
    [
      'an unknown refresh token',
      () => refresh(server, web, { refresh_token: 'nobody' }),
      'refresh_token_known',
      /received +\[6 characters\]/,
    ],
    [
      'a revoked refresh token',
      async () => {
        const both = await tokensFor(server, web, { scope: 'openid offline_access' })
        await post(server, '/revoke', web, { token: both.refresh_token })
        return refresh(server, web, both)
      },
      'refresh_token_known',
      /received +\[91 characters\] of family [\w-]{22}\n[^]*\nfamily +Ended \d{4}-\S+Z: revoked/,
    ],
    [
      'a refresh token used again much later',
      async () => {
        const first = await tokensFor(server, web, { scope: 'openid offline_access' }, agent)
        const second = tokensIn(await refresh(server, web, first))
        tokensIn(await refresh(server, web, second))
        travel(120)
        return refresh(server, web, first)
      },
      'refresh_token_once',
    ],
    [
      'a refresh for more scope',
      async () =>
        refresh(
          server,
          web,
          await tokensFor(server, web, { scope: 'openid offline_access' }, agent),
          { scope: 'openid email' },
        ),
      'refresh_scope',
      /received +openid email/,
    ],
    [
      'an unknown device code',
      () =>
        token(
          { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code: 'nobody' },
          tv,
        ),
      'code_known',
    ],
    [
      'userinfo with an unknown token',
      () => userinfo(server, 'nobody-ever-had-it'),
      'access_token_valid',
      /received +\[18 characters\]/,
    ],
    [
      'the revocation of a token of another client',
      async () =>
        post(server, '/revoke', machine, {
          token: (await tokensFor(server, web, { scope: 'openid offline_access' }, agent))
            .refresh_token,
        }),
      'revocation_entitled',
    ],
  ]

  for (const [what, refused, check, said] of [...authorization, ...tokens]) {
    it(`names the check that refused ${what}`, async () => {
      const page = await refused()
      const explanation = await why(page)
      expect(explanation.check, JSON.stringify(explanation)).to.equal(check)
      const text = explain.render(explanation)
      if (said) expect(text).to.match(said)
      expect(text).to.match(/^to fix +\S/m)
    })
  }

  it('lists the latest refusals, newest first, if no id is given', async () => {
    travel(3600)
    const ids = []
    for (let serial = 0; serial < 11; serial++) {
      ids.unshift((await ask({ client_id: `stranger-${serial}` })).headers.get('request-id'))
      travel(1)
    }
    const { input, prepare, execute, render } = explain
    const wanted = input.parse(prepare({ operands: [], options: {} }, {} as never))
    const lines = render(await execute(server.core, wanted)).split('\n')
    expect(lines.map((line) => line.split(/ +/)[1])).to.deep.equal(ids.slice(0, 10))
    expect(lines[0]).to.match(/ authorization +- +client_known +client not found$/)
  })
})
