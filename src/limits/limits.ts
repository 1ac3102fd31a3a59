/**
 * Rate limits: every figure once. docs/security.md has the same table, which a test compares. A network is /24 of IPv4
 * and /48 of IPv6 (attempts/network.ts). Each is generous to many people behind one address: what is right costs
 * nothing wherever it can be told from what is wrong.
 */
export interface Limit {
  /** What a full bucket holds. */
  most: number
  /** Seconds in which an empty one fills. */
  window: number
  /** What is counted, for whom. */
  counts: string
}

export const limits = {
  sign_in_network: {
    most: 200,
    window: 600,
    counts:
      'Wrong passwords from one network, also those that a pause kept from being looked at, unless the browser is known to the account',
  },
  reset_network: {
    most: 60,
    window: 600,
    counts: 'Resets of a password that were asked for from one network',
  },
  mail_account: {
    most: 5,
    window: 3600,
    counts:
      'Mails that anybody may have sent to one account; more are not sent, and nobody is told',
  },
  sign_up_network: {
    most: 60,
    window: 600,
    counts: 'Accounts that people of one network asked for by themselves',
  },
  sign_up_tenant: {
    most: 3000,
    window: 3600,
    counts: 'The same at one tenant, so that nobody has it write to the whole world',
  },
  sign_up_address: {
    most: 3,
    window: 3600,
    counts:
      'Mails to one address because somebody wanted an account with it, whatever follows a `+`; more are not sent, and nobody is told',
  },
  email_code_account: {
    most: 10,
    window: 3600,
    counts:
      'Codes that are mailed to one account for signing in; more are not sent, and nobody is told',
  },
  client_pair: {
    most: 30,
    window: 600,
    counts:
      'Failed authentications of one client from one network, where its secret was chosen by somebody or no client has the name',
  },
  client_network: {
    most: 300,
    window: 600,
    counts:
      'The same from one network; refuses names alone that no client has or that have failed there themselves',
  },
  client_total: {
    most: 1000,
    window: 3600,
    counts: 'The same of one client; refuses it alone on networks where it has failed',
  },
  client_told: {
    most: 30,
    window: 600,
    counts:
      'Failed authentications of one client from one network where there is nothing to guess; more are refused like these, but not written down',
  },
  authorize_network: {
    most: 3000,
    window: 600,
    counts: 'Sign-ins that were begun from one network, in units of 2 KiB that are kept of one',
  },
  authorize_browser: {
    most: 300,
    window: 600,
    counts:
      'The same of one client in one browser where somebody is signed in, and what is kept of a code beyond 2 KiB',
  },
  account_browser: {
    most: 300,
    window: 600,
    counts: 'Forms of the account pages that were sent from one browser',
  },
  push_network: {
    most: 600,
    window: 600,
    counts:
      'Requests that public clients pushed from one network, in units of 2 KiB, and proofs with them',
  },
  push_client: {
    most: 60_000,
    window: 600,
    counts: 'Requests that one confidential client pushed, in units of 2 KiB',
  },
  proof_holder: {
    most: 6000,
    window: 600,
    counts:
      'Proofs of possession with one access token, or with one thing that a public client redeems; one of another key than it is bound to does not count',
  },
  device_network: {
    most: 300,
    window: 600,
    counts: 'Device codes that public clients asked for from one network, in units of 2 KiB',
  },
  device_client: {
    most: 6000,
    window: 600,
    counts: 'Device codes that one confidential client asked for, in units of 2 KiB',
  },
  registration_network: {
    most: 20,
    window: 3600,
    counts: 'Clients that registered themselves without a token, or changed, from one network',
  },
  registration_tenant: {
    most: 600,
    window: 3600,
    counts: 'Clients that registered themselves without a token, in one tenant',
  },
  document_network: {
    most: 20,
    window: 600,
    counts: 'Metadata documents of clients nobody has used yet, fetched because of one network',
  },
  document_host: {
    most: 60,
    window: 600,
    counts: 'The same from one host, whoever asks; one that was right does not count',
  },
  document_address: {
    most: 10,
    window: 60,
    counts: 'Fetches of one metadata document; one that was well is not fetched within a minute',
  },
  backchannel_client: {
    most: 6000,
    window: 600,
    counts: 'Backchannel authentication requests of one client',
  },
  feed_network: {
    most: 300,
    window: 600,
    counts:
      'Requests to the revocation feed and shared signals from one network whose token is missing or not valid',
  },
  feed_client: {
    most: 60_000,
    window: 600,
    counts:
      'Requests to the revocation feed and shared signals of one client; with a DPoP-bound token, `proof_holder` counts as well',
  },
  admin_network: {
    most: 300,
    window: 600,
    counts: 'Requests to the admin API from one network whose token is missing or not valid',
  },
  admin_caller: {
    most: 6000,
    window: 600,
    counts: 'Requests to the admin API of one person or machine',
  },
} as const satisfies Record<string, Limit>

export type LimitName = keyof typeof limits
