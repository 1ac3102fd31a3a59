// Submits a form only once, however often its button is pressed: a second request would find its link used or its page
// expired. The button works again after three seconds, for people who stay on the page because of a download or a
// missing response. Other forms of the page are not affected, and returning with the browser's back button resets all.
let sent = new WeakMap()
document.addEventListener('submit', (event) => {
  if (event.defaultPrevented) return
  if (event.timeStamp - sent.get(event.target) < 3000) event.preventDefault()
  else sent.set(event.target, event.timeStamp)
})
addEventListener('pagehide', () => {
  sent = new WeakMap()
})
