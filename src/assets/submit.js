// Sends the one form of a page that hands over what it carries; without script its button does. As if that were pressed,
// so that once.js sees it.
document.forms[0].requestSubmit()
