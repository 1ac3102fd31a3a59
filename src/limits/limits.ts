/**
 * Rate limits: the only place of each figure. docs/security.md has the same table, which a test compares. A network is
 * a /24 of IPv4 or a /48 of IPv6 (attempts/network.ts). The limits leave room for many people behind one address. Where
 * right and wrong attempts can be distinguished, only wrong ones count.
 */
export interface Limit {
  /** Capacity of a bucket. */
  most: number
  /** Seconds in which an empty bucket refills. */
  window: number
  /** What is counted, and per what. */
  counts: string
}

export const limits = {
  sign_in_network: {
    most: 200,
    window: 600,
    counts:
      'Wrong passwords from one network, including those not checked because of a pause, unless the browser is known to the account',
  },
  reset_network: {
    most: 60,
    window: 600,
    counts: 'Password resets requested from one network',
  },
  mail_account: {
    most: 5,
    window: 3600,
    counts: 'Mails to one account that anybody can cause; more are silently dropped',
  },
  notice_account: {
    most: 10,
    window: 3600,
    counts:
      'Mails to one account about new sign-ins, new countries or downloads, each by itself; more are silently dropped',
  },
  sign_up_network: {
    most: 60,
    window: 600,
    counts: 'Sign-ups requested from one network',
  },
  sign_up_tenant: {
    most: 3000,
    window: 3600,
    counts: 'The same in one tenant, to limit the mails that strangers can cause',
  },
  sign_up_address: {
    most: 3,
    window: 3600,
    counts: 'Sign-up mails to one address, ignoring what follows a `+`; more are silently dropped',
  },
  email_code_account: {
    most: 10,
    window: 3600,
    counts: 'Codes mailed to one account for signing in; more are silently dropped',
  },
  client_pair: {
    most: 30,
    window: 600,
    counts:
      'Failed authentications of one client from one network, if its secret was chosen by a person or the client does not exist',
  },
  client_network: {
    most: 300,
    window: 600,
    counts:
      'The same from one network; only clients that do not exist, or that have failed there, are refused',
  },
  client_total: {
    most: 1000,
    window: 3600,
    counts: 'The same of one client; it is refused only on networks where it has failed',
  },
  client_told: {
    most: 30,
    window: 600,
    counts:
      'Failed authentications of one client from one network where no secret can be guessed; more are refused in the same way, but not recorded',
  },
  authorize_network: {
    most: 3000,
    window: 600,
    counts: 'Sign-ins started from one network, in units of 2 KiB stored for each',
  },
  authorize_browser: {
    most: 300,
    window: 600,
    counts:
      'The same of one client in one browser in which a user is signed in, and what is stored for a code beyond 2 KiB',
  },
  account_browser: {
    most: 300,
    window: 600,
    counts: 'Forms of the account pages sent from one browser',
  },
  push_network: {
    most: 600,
    window: 600,
    counts:
      'Requests pushed by public clients from one network, in units of 2 KiB, and the proofs sent with them',
  },
  push_client: {
    most: 60_000,
    window: 600,
    counts: 'Requests pushed by one confidential client, in units of 2 KiB',
  },
  proof_holder: {
    most: 6000,
    window: 600,
    counts:
      'Proofs of possession with one access token, or with one credential that a public client redeems; a proof by a key that the token is not bound to does not count',
  },
  device_network: {
    most: 300,
    window: 600,
    counts: 'Device codes requested by public clients from one network, in units of 2 KiB',
  },
  device_client: {
    most: 6000,
    window: 600,
    counts: 'Device codes requested by one confidential client, in units of 2 KiB',
  },
  registration_network: {
    most: 20,
    window: 3600,
    counts:
      'Registrations without a token, and changes of registrations, requested from one network, including failed ones',
  },
  registration_tenant: {
    most: 600,
    window: 3600,
    counts: 'Clients that registered without a token, in one tenant',
  },
  document_network: {
    most: 20,
    window: 600,
    counts:
      'Metadata documents of clients that no user has used yet, fetched on behalf of one network',
  },
  document_host: {
    most: 60,
    window: 600,
    counts: 'The same from one host, on behalf of any network; a valid document does not count',
  },
  document_address: {
    most: 10,
    window: 60,
    counts: 'Fetches of one metadata document; a valid one is not fetched again within a minute',
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
    counts: 'Requests to the admin API of one account or client',
  },
} as const satisfies Record<string, Limit>

export type LimitName = keyof typeof limits
