import type { Accounts } from '../accounts/accounts.ts'
import type { ActionTokens } from '../actions/action-tokens.ts'
import type { EmailCodes } from '../actions/email-codes.ts'
import type { EnrolmentTokens } from '../actions/enrolment-tokens.ts'
import type { Attempts } from '../attempts/attempts.ts'
import type { Audit } from '../audit/audit.ts'
import type { Pings } from '../backchannel/pings.ts'
import type { BackchannelRequests } from '../backchannel/requests.ts'
import type { Clients } from '../clients/clients.ts'
import type { Subjects } from '../clients/subjects.ts'
import type { Denials } from '../denials/denials.ts'
import type { Enrolment } from '../enrolment/enrolment.ts'
import type { Invitations } from '../enrolment/invitations.ts'
import type { SignUps } from '../enrolment/sign-up.ts'
import type { Factors } from '../factors/factors.ts'
import type { MailedCodes } from '../factors/mailed-codes.ts'
import type { Families } from '../families/families.ts'
import type { RevocationFeed } from '../feed/revocation-feed.ts'
import type { RevocationStreams } from '../feed/revocation-streams.ts'
import type { Grants } from '../grants/grants.ts'
import type { Idempotency } from '../idempotency/idempotency.ts'
import type { Limiter } from '../limits/limiter.ts'
import type { Lockouts } from '../lockouts/lockouts.ts'
import type { Logouts } from '../logouts/logouts.ts'
import type { Mail } from '../mail/mail.ts'
import type { Outbox } from '../outbox/outbox.ts'
import type { Places } from '../places/places.ts'
import type { Platform } from '../platform.ts'
import type { EmailAddresses } from '../recovery/email-address.ts'
import type { PasswordReset } from '../recovery/password-reset.ts'
import type { Refusals } from '../refusals/refusals.ts'
import type { ClientDocuments } from '../registration/documents.ts'
import type { RegistrationPolicies } from '../registration/policies.ts'
import type { Registrations } from '../registration/registrations.ts'
import type { ResourceServers } from '../resources/resource-servers.ts'
import type { Revocations } from '../revocation/revocation.ts'
import type { Roles } from '../roles/roles.ts'
import type { KeyRotation } from '../secrets/key-rotation.ts'
import type { SharedSecrets } from '../secrets/shared-secrets.ts'
import type { Redemptions } from '../sessions/redemptions.ts'
import type { Sessions } from '../sessions/sessions.ts'
import type { Signals } from '../signals/signals.ts'
import type { SigningKeys } from '../signing/signing-keys.ts'
import type { SingleUse } from '../single-use/single-use.ts'
import type { ShortLived } from '../storage/short-lived.ts'
import type { Tenants } from '../tenants/tenants.ts'
import type { Webhooks } from '../webhooks/webhooks.ts'

/** What an issuer is built from; the composition root makes it. */
export interface Capabilities extends Platform {
  shortLived: ShortLived
  sharedSecrets: SharedSecrets
  keyRotation: KeyRotation
  tenants: Tenants
  accounts: Accounts
  factors: Factors
  mailedCodes: MailedCodes
  clients: Clients
  subjects: Subjects
  resources: ResourceServers
  roles: Roles
  signing: SigningKeys
  grants: Grants
  families: Families
  sessions: Sessions
  redemptions: Redemptions
  logouts: Logouts
  backchannelRequests: BackchannelRequests
  pings: Pings
  webhooks: Webhooks
  signals: Signals
  outbox: Outbox
  denials: Denials
  audit: Audit
  revocations: Revocations
  revocationFeed: RevocationFeed
  revocationStreams: RevocationStreams
  singleUse: SingleUse
  attempts: Attempts
  refusals: Refusals
  limiter: Limiter
  lockouts: Lockouts
  places: Places
  registrationPolicies: RegistrationPolicies
  clientDocuments: ClientDocuments
  registrations: Registrations
  idempotency: Idempotency
  actionTokens: ActionTokens
  emailCodes: EmailCodes
  mail: Mail
  passwordReset: PasswordReset
  emailAddresses: EmailAddresses
  enrolmentTokens: EnrolmentTokens
  signUps: SignUps
  invitations: Invitations
  enrolment: Enrolment
}

/** One tenant's view: what the adapters and the engine's callbacks need. */
export interface IssuerContext extends Capabilities {
  tenant: string
  issuer: string
  /** Whether people may make accounts for themselves. */
  canSignUp: boolean
}
