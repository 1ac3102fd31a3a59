/** The texts of second factors, at sign-in and on the account page. */
export type FactorMessages = {
  secondFactor: {
    title: string
    lead: string
    /** Shown when there is a passkey, alone or with an app. */
    leadPasskey: string
    usePasskey: string
    /** For browsers without passkeys. */
    missingPasskey: string
    codeHeading: string
    code: string
    codeHint: string
    submit: string
    lostHeading: string
    lostPasskeyHeading: string
    recovery: string
    recoverySubmit: string
    errors: Record<'invalid' | 'recovery' | 'missing' | 'passkey', string>
  }
  emailCode: {
    title: string
    lead: string
    code: string
    codeHint: string
    submit: string
    againHint: string
    again: string
    errors: Record<'invalid' | 'missing', string>
    heading: string
    isOff: string
    isOn: (since: string) => string
    hint: string
    turnOn: string
    turnOff: string
  }
  factors: {
    title: string
    lead: string
    none: string
    kind: string
    kinds: Record<'totp' | 'passkey' | 'backedUp', string>
    added: string
    lastUsed: string
    never: string
    name: string
    rename: string
    remove: string
    removeHint: string
    kept: Record<'required' | 'short_password', string>
    endOthers: string
    add: string
    addPasskey: string
    passkeyInstead: string
    full: string
    codesHeading: string
    codesLeft: (left: number) => string
    makeCodes: string
    makeCodesHint: string
    newTitle: string
    newLead: string
    qrCode: string
    secret: string
    code: string
    codeHint: string
    confirm: string
    wrong: string
    codesTitle: string
    codesLead: string
    done: string
  }
  passkeys: {
    signIn: string
    newTitle: string
    newLead: string
    make: string
    /** For browsers that cannot create one. */
    missingMake: string
    failed: Record<'make' | 'ask', string>
    known: string
  }
}
