import type { FactorMessages } from './factors.messages.ts'

/** The pages of second factors in English. */
export const factorsEn: FactorMessages = {
  secondFactor: {
    title: 'Confirm that it is you',
    lead: 'Your password was right. Enter the code that your authenticator app shows now.',
    leadPasskey: 'Your password was right. Now use your passkey.',
    usePasskey: 'Use your passkey',
    missingPasskey:
      'This browser cannot use passkeys here. Use another way below, or a browser that can, with scripts enabled.',
    codeHeading: 'Or use your authenticator app',
    code: 'Code from your app',
    codeHint: 'Six digits. Each code works once.',
    submit: 'Continue',
    lostHeading: 'No access to your app?',
    lostPasskeyHeading: 'Cannot use your passkey?',
    recovery: 'Recovery code',
    recoverySubmit: 'Use the recovery code',
    errors: {
      invalid:
        'This code is wrong or already used, or there were too many attempts. Wait for the next one.',
      recovery: 'This recovery code is wrong or already used, or there were too many attempts.',
      missing: 'Enter a code.',
      passkey: 'This passkey did not work here. Try again, or use another way.',
    },
  },
  emailCode: {
    title: 'Check your e‑mail',
    lead: 'If a code can be sent now, it is on its way to this address.',
    code: 'Code from the e-mail',
    codeHint: 'Eight digits. It works for ten minutes, once, and only on this page.',
    submit: 'Continue',
    againHint:
      'Nothing arrived? Check your spam folder, and wait half a minute before you request another code. Only the latest code works.',
    again: 'Send another code',
    errors: {
      invalid:
        'This code is wrong, already used or too old, or there were too many attempts. Only the latest one works.',
      missing: 'Enter the code.',
    },
    heading: 'Codes by e‑mail',
    isOff: 'Off.',
    isOn: (since) => `On since ${since}.`,
    hint: 'After your password you enter a code that we send you by e-mail. An authenticator app protects you better: anybody who can read your e-mail can also get a new password. If you have an app, it is used instead.',
    turnOn: 'Turn on codes by e‑mail',
    turnOff: 'Turn off codes by e‑mail',
  },
  factors: {
    title: 'Two-step sign-in',
    lead: 'After your password you use something that only you have: a passkey, or a code from an app. Whoever learns your password cannot sign in with it alone.',
    none: 'You have added nothing yet.',
    kind: 'Kind',
    kinds: {
      totp: 'Authenticator app',
      passkey: 'Passkey',
      backedUp: 'Passkey, also on your other devices through its provider',
    },
    added: 'Added',
    lastUsed: 'Last used',
    never: 'not yet',
    name: 'Your name for it',
    rename: 'Rename',
    remove: 'Remove',
    removeHint: 'You will no longer be asked for it.',
    kept: {
      required:
        'Everybody signs in with two steps here, and this is your only second step. Add another one before you remove it.',
      short_password:
        'Your password is short: that is enough only with two-step sign-in. Choose a longer one before you remove your only second step.',
    },
    endOthers: 'Sign me out on all other devices',
    add: 'Add an authenticator app',
    addPasskey: 'Add a passkey',
    passkeyInstead: 'Add a passkey instead',
    full: 'You have reached the limit. Remove one before you add another.',
    codesHeading: 'Recovery codes',
    codesLeft: (left) => (left === 1 ? 'One code is left.' : `${left} codes are left.`),
    makeCodes: 'Create new recovery codes',
    makeCodesHint: 'The codes that you have now will stop working.',
    newTitle: 'Add an authenticator app',
    newLead: 'Scan this QR code with your app, or enter the key there.',
    qrCode: 'QR code with the key below',
    secret: 'Key',
    code: 'Code from your app',
    codeHint: 'The six digits that it shows now.',
    confirm: 'Add',
    wrong: 'This code is wrong. Enter the one that your app shows now.',
    codesTitle: 'Your recovery codes',
    codesLead:
      'Each of them signs you in once when you have nothing else at hand. Keep them in a safe place: they are not shown again.',
    done: 'I have saved them',
  },
  passkeys: {
    signIn: 'Sign in with a passkey',
    newTitle: 'Add a passkey',
    newLead:
      'Your device or security key stores it, and unlocks it with your fingerprint, your face or a PIN. With it you sign in without your password.',
    make: 'Create the passkey',
    missingMake:
      'This browser cannot create passkeys here. Use one that can, with scripts enabled, or add an authenticator app instead.',
    failed: {
      make: 'No passkey was created. Try again, or use another device.',
      ask: 'No passkey was used. Try again, or sign in another way.',
    },
    known: 'This device already has a passkey for your account.',
  },
}
