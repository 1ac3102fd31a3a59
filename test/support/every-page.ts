import { accountPage } from '../../src/interaction/pages/account.ts'
import { type ConsentView, consentPage } from '../../src/interaction/pages/consent.ts'
import {
  confirmDevicePage,
  deviceResultPage,
  enterCodePage,
} from '../../src/interaction/pages/device.ts'
import { errorPage } from '../../src/interaction/pages/error.ts'
import {
  factorsPage,
  newFactorPage,
  recoveryCodesPage,
} from '../../src/interaction/pages/factors.ts'
import { homePage } from '../../src/interaction/pages/home.ts'
import type { PageContext } from '../../src/interaction/pages/layout.ts'
import { loginPage } from '../../src/interaction/pages/login.ts'
import { logoutPage, signedOutPage } from '../../src/interaction/pages/logout.ts'
import { passwordPage } from '../../src/interaction/pages/password.ts'
import { requestPage, requestResultPage } from '../../src/interaction/pages/request.ts'
import { secondFactorPage } from '../../src/interaction/pages/second-factor.ts'

export function consentView(text: string): ConsentView {
  return {
    action: '/allow',
    csrf: text,
    cancel: { action: '/cancel' },
    client: { name: text, uri: text, clientId: text, policyUri: text, tosUri: text },
    redirectHost: text,
    userCode: text,
    localhostOnly: true,
    unverified: true,
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
  const token = { name: text, value: text }
  const failure = { error: text, description: text, id: text, hint: text, time: 0 }
  return {
    login: loginPage(context, { ...login, error: 'invalid', cancel: { action: text } }),
    consent: consentPage(context, consentView(text)),
    password: passwordPage(context, {
      ...{ action: text, csrf: text, email: text, minLength: 12 },
      error: 'too_short',
    }),
    'second-factor': secondFactorPage(context, {
      ...{ action: text, csrf: text, email: text, error: 'invalid', cancel: { action: text } },
    }),
    factors: factorsPage(context, {
      csrf: text,
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
        { id: `${text}2`, kind: 'totp', name: text, createdAt: 0, rename: text, remove: text },
      ],
      codesLeft: 7,
      add: { action: text },
      makeCodes: { action: text },
      account: { href: text },
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
      signOut: { action: text, everywhere: text, csrf: text },
      requests: [{ href: text, clientName: text, bindingMessage: text, askedAt: 0 }],
    }),
    request: requestPage(context, {
      ...{ action: text, csrf: text, client: { name: text, clientId: text, uri: text } },
      ...{ account: { name: text, email: text }, bindingMessage: text, askedFrom: text },
      ...{ askedAt: 0, expiresAt: 0, scopes: [{ scope: text, text }], offline: true },
      resources: [{ identifier: text, name: text, scopes: [{ scope: text, text: `${text}!` }] }],
    }),
    'request-over': requestResultPage(context, { outcome: 'over', account: { href: text } }),
    home: homePage(context, { issuer: text, discoveryUrl: text, accountUrl: text }),
  }
}
