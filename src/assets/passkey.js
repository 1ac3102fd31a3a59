// Lets the browser create or use a passkey, and submits its answer with the form. Without script, or in browsers
// without passkeys, the page still shows the other ways to sign in.
const bytesOf = (text) =>
  Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0))
const textOf = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
const keysOf = (known = []) => known.map((key) => ({ ...key, id: bytesOf(key.id) }))

const make = async ({ challenge, user, excludeCredentials, ...others }) => {
  const { response, ...credential } = await answerOf('create', {
    ...others,
    challenge: bytesOf(challenge),
    user: { ...user, id: bytesOf(user.id) },
    excludeCredentials: keysOf(excludeCredentials),
  })
  return {
    ...credential,
    response: {
      clientDataJSON: textOf(response.clientDataJSON),
      attestationObject: textOf(response.attestationObject),
      transports: response.getTransports?.() ?? [],
    },
  }
}

const ask = async ({ challenge, allowCredentials, ...others }) => {
  const { response, ...credential } = await answerOf('get', {
    ...others,
    challenge: bytesOf(challenge),
    allowCredentials: keysOf(allowCredentials),
  })
  return {
    ...credential,
    response: {
      clientDataJSON: textOf(response.clientDataJSON),
      authenticatorData: textOf(response.authenticatorData),
      signature: textOf(response.signature),
      ...(response.userHandle?.byteLength ? { userHandle: textOf(response.userHandle) } : {}),
    },
  }
}

const answerOf = async (method, publicKey) => {
  const { id, rawId, type, response } = await navigator.credentials[method]({ publicKey })
  return { id, rawId: textOf(rawId), type, response }
}

const offer = (form) => {
  const part = (name) => form.querySelector(`[data-passkey-${name}]`)
  const button = form.querySelector('button')
  const show = (name, shown) => {
    const text = part(name)
    if (text) text.hidden = !shown
  }
  show('missing', false)
  form.hidden = false
  button.hidden = false
  if (button.autofocus) button.focus()
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    if (button.disabled) return
    button.disabled = true
    show('failed', false)
    show('known', false)
    let failed = false
    try {
      const options = JSON.parse(form.dataset.options)
      const answer = await (form.dataset.passkey === 'make' ? make : ask)(options)
      form.elements.credential.value = JSON.stringify(answer)
      form.submit()
    } catch (error) {
      failed = true
      show(error.name === 'InvalidStateError' && part('known') ? 'known' : 'failed', true)
    }
    // Also after returning to this page with the browser's back button.
    button.disabled = false
    // A disabled button loses the focus.
    if (failed) button.focus()
  })
}

if (window.PublicKeyCredential && navigator.credentials) {
  for (const form of document.querySelectorAll('form[data-passkey]')) offer(form)
}
