// Sends a form once however often its button is pressed: the second time its link would be used, or its page be over.
// For three seconds, as whoever stays on the page, with a file or without an answer, may press it again. Other forms of
// the page are sent at any time, and whoever comes back to it by the browser's own button begins anew.
let sent = new WeakMap()
document.addEventListener('submit', (event) => {
  if (event.defaultPrevented) return
  if (event.timeStamp - sent.get(event.target) < 3000) event.preventDefault()
  else sent.set(event.target, event.timeStamp)
})
addEventListener('pagehide', () => {
  sent = new WeakMap()
})
