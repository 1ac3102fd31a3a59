import { z } from 'zod'
import type { Earlier } from './setting.ts'
import { email, isEncodedUrl, seconds } from './values.ts'

/** An SMTP URL: only protocol, credentials and server. Output: as given. */
const smtpUrl = z
  .string()
  .refine((given) => {
    const url = /^smtps?:\/\/[^\s\\]+$/i.test(given) ? URL.parse(given) : null
    const isHostAlone = url !== null && url.hostname !== '' && /^\/?$/.test(url.pathname)
    return isHostAlone && !/[?#]/.test(given) && isEncodedUrl(given)
  })
  .describe(
    'an smtp:// or smtps:// URL with a host, optionally a port and percent-encoded credentials, and nothing else',
  )

/** How mail leaves the server, and how long its links are good: a part of the table in config.ts. */
export const mail = {
  smtpUrl: {
    env: 'SMTP_URL',
    group: 'Mail',
    schema: smtpUrl,
    secret: true,
    description:
      'The SMTP server that sends mail. `smtps://` uses TLS from the start; `smtp://` requires STARTTLS unless the host is loopback. Certificates are verified. Without it, embedded mode writes mail to `DATA_DIR/mail`; with `DATABASE_URL` no mail is sent.',
  },
  mailFrom: {
    env: 'MAIL_FROM',
    group: 'Mail',
    schema: email,
    default: {
      text: '`no-reply@` the host of the issuer',
      from: ({ issuer }: Earlier) =>
        issuer === undefined ? undefined : `no-reply@${new URL(issuer).hostname}`,
    },
    description: 'The sender address of mail.',
  },
  actionTokenTtl: {
    env: 'ACTION_TOKEN_TTL',
    group: 'Mail',
    ...seconds(900, 1800),
    default: '1800',
    description: 'How long a link in a mail is valid.',
  },
  signUpTtl: {
    env: 'SIGN_UP_TTL',
    group: 'Mail',
    ...seconds(3600, 86_400),
    default: '86400',
    description: 'How long the link to complete a sign-up is valid.',
  },
  invitationTtl: {
    env: 'INVITATION_TTL',
    group: 'Mail',
    ...seconds(3600, 2_592_000),
    default: '604800',
    description: 'How long an invitation is valid.',
  },
} as const
