// The page works without this script. It counts down, and notices when the session was ended elsewhere.

for (const element of document.querySelectorAll('[data-expires]')) {
  const expires = Number(element.getAttribute('data-expires'))
  const tick = () => {
    const left = Math.round((expires - Date.now()) / 1000)
    const minutes = Math.floor(left / 60)
    element.textContent =
      left > 0
        ? `Expires in ${minutes} min ${String(left % 60).padStart(2, '0')} s`
        : 'Expired; the next call first refreshes it'
  }
  tick()
  setInterval(tick, 1000)
}

// A busier app would push; for the demo, polling is enough.
if (document.querySelector('#sign-out')) {
  setInterval(async () => {
    const answer = await fetch('/session').catch(() => undefined)
    if (answer?.status === 401) location.reload()
  }, 1000)
}
