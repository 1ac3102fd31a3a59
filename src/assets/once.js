// Sends a form once however often its button is pressed: the second time its link would be used, or its page be over.
// For three seconds, as whoever stays on the page, with a file or without an answer, may press it again.
let last = -Infinity
document.addEventListener('submit', (event) => {
  if (event.defaultPrevented) return
  if (event.timeStamp - last < 3000) event.preventDefault()
  else last = event.timeStamp
})
