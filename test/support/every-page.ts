import { accountPage } from '../../src/interaction/pages/account.ts'
import { applicationsPage } from '../../src/interaction/pages/account-applications.ts'
import { accountDeletedPage, dataPage } from '../../src/interaction/pages/account-data.ts'
import { historyPage } from '../../src/interaction/pages/account-history.ts'
import { ownPasswordPage } from '../../src/interaction/pages/account-password.ts'
import { profilePage } from '../../src/interaction/pages/account-profile.ts'
import { sessionsPage } from '../../src/interaction/pages/account-sessions.ts'
import { type ConsentView, consentPage } from '../../src/interaction/pages/consent.ts'
import {
  confirmDevicePage,
  deviceResultPage,
  enterCodePage,
} from '../../src/interaction/pages/device.ts'
import { confirmEmailPage, emailPage } from '../../src/interaction/pages/email.ts'
import { emailCodePage } from '../../src/interaction/pages/email-code.ts'
import { errorPage } from '../../src/interaction/pages/error.ts'
import {
  factorsPage,
  newFactorPage,
  recoveryCodesPage,
} from '../../src/interaction/pages/factors.ts'
import { handoverPage } from '../../src/interaction/pages/handover.ts'
import { homePage } from '../../src/interaction/pages/home.ts'
import type { PageContext } from '../../src/interaction/pages/layout.ts'
import { loginPage } from '../../src/interaction/pages/login.ts'
import { logoutPage, signedOutPage } from '../../src/interaction/pages/logout.ts'
import { newPasskeyPage } from '../../src/interaction/pages/passkey.ts'
import { passwordPage } from '../../src/interaction/pages/password.ts'
import { forgotPage, sayingPage } from '../../src/interaction/pages/recovery.ts'
import { requestPage, requestResultPage } from '../../src/interaction/pages/request.ts'
import { secondFactorPage } from '../../src/interaction/pages/second-factor.ts'
import { finishPage, signUpPage } from '../../src/interaction/pages/sign-up.ts'

export function consentView(text: string): ConsentView {
  return {
    action: '/allow',
    csrf: text,
    cancel: { action: '/cancel' },
    client: { name: text, uri: text, clientId: text, policyUri: text, tosUri: text },
    redirectHost: text,
    userCode: text,
    toLoopback: true,
    unverified: true,
    shown: text,
    account: { name: text, email: text },
    scopes: [{ scope: text, text }],
    resources: [{ identifier: text, name: text, scopes: [{ scope: text, text: `${text}!` }] }],
    offline: true,
  }
}

/** Every page with one text in every place a text from outside can reach. */
export function everyPage(context: PageContext, text: string): Record<string, string> {
  const account = { name: text, email: text, username: text, emailVerified: false, id: text }
  const login = { action: text, csrf: text, clientName: text, username: text }
  const frame = { signOut: { action: text, csrf: text }, csrf: text }
  const seen = { at: 0, ip: text }
  const token = { name: text, value: text }
  const failure = { error: text, description: text, id: text, hint: text, time: 0 }
  return {
    login: loginPage(context, {
      ...{ ...login, error: 'invalid', cancel: { action: text } },
      forgot: { href: text },
      signUp: { href: text },
      passkey: { action: text, csrf: text, options: { challenge: text } },
    }),
    'sign-up-too-many': signUpPage(context, {
      ...{ action: text, csrf: text, email: text, signIn: { href: text }, error: 'too_many' },
    }),
    'sign-up': signUpPage(context, {
      ...{ action: text, csrf: text, email: text, signIn: { href: text }, error: 'invalid' },
    }),
    'finish-sign-up': finishPage(context, {
      ...{ action: text, csrf: text, token: text, email: text, name: text, minLength: 12 },
      error: 'mismatch',
    }),
    'finish-sign-up-name': finishPage(context, {
      ...{ action: text, csrf: text, token: text, email: text, name: text, minLength: 12 },
      error: 'name_invalid',
    }),
    'finish-invitation': finishPage(context, {
      ...{ action: text, csrf: text, token: text, email: text, minLength: 12 },
    }),
    'new-passkey-known': newPasskeyPage(context, {
      ...{ action: text, csrf: text, options: { challenge: text }, error: 'known' },
      cancel: { action: text },
    }),
    'second-factor-passkey-alone': secondFactorPage(context, {
      ...{ action: text, csrf: text, email: text, cancel: { action: text }, app: false },
      passkey: { challenge: text },
    }),
    consent: consentPage(context, consentView(text)),
    password: passwordPage(context, {
      ...{ action: text, csrf: text, email: text, minLength: 12 },
      error: 'too_short',
    }),
    forgot: forgotPage(context, { action: text, csrf: text, username: text, error: 'missing' }),
    email: emailPage(context, {
      ...{ csrf: text, email: text, verified: false, change: text, verify: text },
      ...{
        error: 'invalid',
        newEmail: text,
        sent: 'change',
        signOut: { action: text, csrf: text },
      },
    }),
    'confirm-email': confirmEmailPage(context, {
      ...{ action: text, csrf: text, token: text, title: text, email: text, label: text },
    }),
    'link-over': sayingPage(context, {
      ...{ title: text, text, fault: true },
      next: { href: text, label: text },
    }),
    'password-by-mail': passwordPage(context, {
      ...{ action: text, csrf: text, email: text, minLength: 12, lead: text, token: text },
    }),
    'second-factor': secondFactorPage(context, {
      ...{ action: text, csrf: text, email: text, error: 'invalid', cancel: { action: text } },
      app: true,
    }),
    'second-factor-passkey': secondFactorPage(context, {
      ...{ action: text, csrf: text, email: text, error: 'passkey', cancel: { action: text } },
      ...{ app: true, passkey: { challenge: text } },
    }),
    'new-passkey': newPasskeyPage(context, {
      ...{ action: text, csrf: text, options: { challenge: text }, name: text, error: 'wrong' },
      ...{ back: { href: text }, cancel: { action: text } },
    }),
    factors: factorsPage(context, {
      csrf: text,
      kept: 'short_password',
      changePassword: { href: text },
      emailCodes: { csrf: text, action: text, since: text },
      factors: [
        {
          id: text,
          kind: 'totp',
          name: text,
          createdAt: 0,
          lastUsedAt: 1,
          rename: text,
          remove: text,
        },
        {
          ...{ id: `${text}2`, kind: 'passkey', name: text, createdAt: 0, backedUp: true },
          ...{ rename: text, remove: text },
        },
      ],
      codesLeft: 7,
      add: { action: text },
      addPasskey: { href: text },
      makeCodes: { action: text },
      signOut: { action: text, csrf: text },
    }),
    'email-code': emailCodePage(context, {
      ...{ action: text, again: text, csrf: text, email: text, error: 'invalid' },
      cancel: { action: text },
    }),
    'email-codes-on': emailCodePage(context, {
      ...{ action: text, again: text, csrf: text, email: text, back: { href: text } },
    }),
    'factors-none': factorsPage(context, {
      ...{ ...frame, csrf: text, factors: [], codesLeft: 0, add: { action: text } },
      ...{
        addPasskey: { href: text },
        makeCodes: { action: text },
        changePassword: { href: text },
      },
      emailCodes: { csrf: text, action: text },
    }),
    'new-factor': newFactorPage(context, {
      ...{ action: text, csrf: text, qrUrl: text, secret: text, name: text, error: 'wrong' },
      back: { href: text },
    }),
    'recovery-codes': recoveryCodesPage(context, { codes: [text, text], done: { href: text } }),
    'recovery-codes-form': recoveryCodesPage(context, {
      codes: [text],
      done: { href: text, csrf: text },
    }),
    'set-up-factor': newFactorPage(context, {
      ...{ error: 'passkey', passkey: { action: text, csrf: text, options: { challenge: text } } },
      ...{ action: text, csrf: text, qrUrl: text, secret: text, cancel: { action: text } },
    }),
    logout: logoutPage(context, { action: text, csrfField: token, email: text, clientName: text }),
    'signed-out': signedOutPage(context, { clientName: text, signIn: { href: text } }),
    'enter-code': enterCodePage(context, {
      ...{ action: text, csrf: text, userCode: text, error: 'too_many' },
      signIn: { href: text },
    }),
    'confirm-device': confirmDevicePage(context, {
      ...{ action: text, csrf: text, clientName: text, userCode: text },
    }),
    'device-over': deviceResultPage(context, { outcome: 'over', again: { href: text } }),
    error: errorPage(context, { status: 400, title: text, ...failure }),
    'error-start-again': errorPage(context, { status: 400, ...failure, startAgain: text }),
    'error-way-back': errorPage(context, {
      status: 400,
      ...failure,
      wayBack: { host: text, href: text },
    }),
    'error-form-back': errorPage(context, {
      ...{ status: 400, ...failure },
      wayBack: { host: text, href: text, fields: [[text, text]] },
    }),
    account: accountPage(context, {
      account,
      ...frame,
      everywhere: text,
      requests: [{ href: text, clientName: text, bindingMessage: text, askedAt: 0 }],
    }),
    'account-sessions': sessionsPage(context, {
      ...frame,
      sessions: [
        { userAgent: text, signedIn: seen, lastUsed: seen, applications: [text, text] },
        { end: text, lastUsed: seen, applications: [] },
      ],
      devices: [{ end: text, application: text, userAgent: text, allowed: seen, lastUsed: seen }],
      endOthers: text,
    }),
    'account-password': ownPasswordPage(context, {
      ...{ ...frame, action: text, email: text, minLength: 12, alone: 15, others: true },
      error: 'too_short',
    }),
    'account-profile': profilePage(context, {
      ...{ ...frame, action: text, name: text, username: text },
      error: 'taken',
    }),
    'account-history': historyPage(context, {
      ...frame,
      events: [
        {
          type: 'account.sign_in_failed',
          marks: ['new_device', 'new_network', 'new_country'],
          country: 'DE',
          seen,
          userAgent: text,
          application: text,
          count: 3,
        },
      ],
      ...{ older: text, newest: text },
    }),
    'account-data': dataPage(context, {
      ...{ ...frame, download: text, delete: text, email: text },
      error: 'address',
    }),
    'account-deleted': accountDeletedPage(context),
    'account-applications': applicationsPage(context, {
      ...frame,
      applications: [
        {
          ...{ end: text, name: text, clientId: text, uri: text, logoUrl: text },
          ...{ since: 0, lastUsed: 0, devices: 2 },
          notes: [{ finding: 'family.networks_alternated', seen }],
          access: { scopes: [{ scope: text, text }], resources: [], offline: true },
        },
      ],
    }),
    request: requestPage(context, {
      ...{ action: text, csrf: text, client: { name: text, clientId: text, uri: text } },
      ...{ account: { name: text, email: text }, bindingMessage: text, askedFrom: text },
      ...{ askedAt: 0, expiresAt: 0, scopes: [{ scope: text, text }], offline: true },
      resources: [{ identifier: text, name: text, scopes: [{ scope: text, text: `${text}!` }] }],
    }),
    'request-over': requestResultPage(context, { outcome: 'over', account: { href: text } }),
    handover: handoverPage(context, { action: text, fields: [[text, text]] }),
    home: homePage(context, { issuer: text, discoveryUrl: text, accountUrl: text }),
  }
}
