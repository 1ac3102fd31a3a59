// Sends the one form of a page that hands over what it carries; without script its button does.
document.forms[0].submit()
