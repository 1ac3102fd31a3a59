import type { AdapterPayload } from 'oidc-provider'
import type { CheckName } from '../refusals/checks.ts'
import type { Fault } from './dry-run.ts'

/** An authorization request under examination. */
export interface Draft {
  params: URLSearchParams
  /** Metadata that requires something of requests, ignored after its fault was reported. */
  lifted: Set<string>
  client: AdapterPayload | undefined
}

/** RFC 7636 appendix B; any will do. */
const challenge = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'

type Mend = (draft: Draft, fault: Fault) => void

const without =
  (...names: string[]): Mend =>
  ({ params }) => {
    for (const name of names) params.delete(name)
  }
const lifting =
  (member: string): Mend =>
  ({ lifted }) =>
    void lifted.add(member)

const proofKey: Mend = ({ params }) => {
  params.set('code_challenge', challenge)
  params.set('code_challenge_method', 'S256')
}
const firstAddress: Mend = ({ params, client }) => {
  const [first] = (client?.redirect_uris ?? []) as string[]
  if (first !== undefined) params.set('redirect_uri', first)
}

/** How to mend the request after each failed check. Without a mend here, nothing can be put in place of the fault. */
const mends: Partial<Record<CheckName, Mend>> = {
  parameters_once: ({ params }) => {
    for (const [name, value] of [...params].toReversed()) params.set(name, value)
  },
  parameters_present: (draft, { reason = '' }) => {
    if (reason.includes('redirect_uri')) firstAddress(draft, { check: 'other', error: '' })
    if (reason.includes('response_type')) draft.params.set('response_type', 'code')
    if (reason.includes('scope')) draft.params.set('scope', 'openid')
  },
  redirect_uri_registered: firstAddress,
  response_type_supported: ({ params }) => params.set('response_type', 'code'),
  response_type_allowed: ({ params }) => params.set('response_type', 'code'),
  response_mode_supported: without('response_mode'),
  response_mode_allowed: without('response_mode'),
  scope_characters: ({ params }) => params.set('scope', 'openid'),
  scope_known: ({ params }) => params.set('scope', 'openid'),
  scope_allowed: ({ params }) => params.set('scope', 'openid'),
  openid_requested: ({ params }) => params.set('scope', `openid ${params.get('scope') ?? ''}`),
  resource_uri: without('resource'),
  resource_known: without('resource'),
  resource_allowed: without('resource'),
  resource_single: without('resource'),
  pkce_present: proofKey,
  pkce_method: proofKey,
  pkce_format: proofKey,
  dpop_jkt_format: without('dpop_jkt'),
  nonce_present: ({ params }) => params.set('nonce', 'a-nonce'),
  prompt_supported: without('prompt'),
  max_age_number: without('max_age'),
  claims_parameter: without('claims'),
  acr_reachable: without('claims', 'acr_values'),
  id_token_hint_valid: without('id_token_hint'),
  request_pushed: lifting('require_pushed_authorization_requests'),
  request_signed: lifting('require_signed_request_object'),
  request_object_valid: without('request'),
  request_uri_alive: without('request_uri'),
  request_uri_pushed: without('request_uri'),
  request_form: without('request', 'request_uri', 'registration'),
}

/** @returns whether it changed anything */
export function mendDraft(draft: Draft, fault: Fault): boolean {
  const state = () => `${draft.params.toString()} ${draft.lifted.size}`
  const before = state()
  mends[fault.check]?.(draft, fault)
  return before !== state()
}
