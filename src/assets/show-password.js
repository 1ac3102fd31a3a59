// Offers to show what is typed; without script the button stays hidden and nothing is missing.
for (const button of document.querySelectorAll('button[data-shows]')) {
  const field = document.getElementById(button.dataset.shows)
  const show = (shown) => {
    field.type = shown ? 'text' : 'password'
    button.setAttribute('aria-pressed', String(shown))
  }
  button.hidden = false
  button.addEventListener('click', () => show(field.type === 'password'))
  // Browsers keep the history of text fields, and offer to keep what a password field sends.
  field.form.addEventListener('submit', () => show(false))
}
