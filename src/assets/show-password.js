// Offers to show the typed password; without script the button stays hidden.
for (const button of document.querySelectorAll('button[data-shows]')) {
  const field = document.getElementById(button.dataset.shows)
  const show = (shown) => {
    field.type = shown ? 'text' : 'password'
    button.setAttribute('aria-pressed', String(shown))
  }
  button.hidden = false
  button.addEventListener('click', () => show(field.type === 'password'))
  // Browsers keep the history of text fields, and offer to save only what a password field submits.
  field.form.addEventListener('submit', () => show(false))
}
