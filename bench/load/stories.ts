import { logIn } from './log-in.ts'
import {
  authorization,
  authorizationUrl,
  codeIn,
  Fault,
  form,
  get,
  json,
  postTo,
  type Story,
  tokens,
  verifier,
  withCookies,
  yieldOf,
} from './messages.ts'
import type { Plan, StoryName } from './plan.ts'

/** Fetches a document, and parses it only if it differs from the previous one. @param member that it must have */
function document(url: string, member: string): Story {
  const request = get(url)
  let known = ''
  return async (ask, item) => {
    const answer = await ask(request)
    if (answer.status !== 200 || answer.body !== known) {
      if (!json(answer)[member]) throw new Fault(`no ${member}`)
      known = answer.body
    }
    return { next: item }
  }
}

export const stories: Record<StoryName, (plan: Plan) => Story> = {
  'client-credentials'(plan) {
    const post = postTo(plan.endpoints.token, authorization(plan))
    const request = post(form({ grant_type: 'client_credentials', ...plan.fields }))
    return async (ask, item) => {
      const body = tokens(await ask(request), plan)
      return { next: item, ...yieldOf(body, plan) }
    }
  },

  refresh(plan) {
    const post = postTo(plan.endpoints.token, authorization(plan))
    return async (ask, token) => {
      const fields = { grant_type: 'refresh_token', refresh_token: token, ...plan.fields }
      const body = tokens(await ask(post(form(fields))), plan)
      if (!body['refresh_token']) throw new Fault('no refresh_token')
      return { next: body['refresh_token'], ...yieldOf(body, plan) }
    }
  },

  'code-exchange'(plan) {
    const post = postTo(plan.endpoints.token, authorization(plan))
    return async (ask, code) => {
      const fields = {
        grant_type: 'authorization_code',
        redirect_uri: plan.client.redirect_uri ?? '',
        code_verifier: verifier,
        code,
      }
      return yieldOf(tokens(await ask(post(form(fields))), plan), plan)
    }
  },

  introspection(plan) {
    const post = postTo(plan.endpoints.introspection, authorization(plan))
    return async (ask, token) => {
      if (json(await ask(post(form({ token }))))['active'] !== true) throw new Fault('not active')
      return { next: token }
    }
  },

  userinfo({ endpoints }) {
    return async (ask, token) => {
      const request = get(endpoints.userinfo, { Authorization: `Bearer ${token}` })
      if (!json(await ask(request))['sub']) throw new Fault('no sub')
      return { next: token }
    }
  },

  jwks: ({ endpoints }) => document(endpoints.jwks, 'keys'),
  discovery: ({ endpoints }) => document(endpoints.discovery, 'issuer'),

  'sso-authorization'(plan) {
    const url = authorizationUrl(plan)
    return async (ask, cookie) => {
      const answer = await ask(get(url, { Cookie: cookie }))
      return { next: withCookies(cookie, answer), yielded: codeIn(answer) }
    }
  },

  'password-login': (plan) => (ask, person) => logIn(ask, plan, person),
}
