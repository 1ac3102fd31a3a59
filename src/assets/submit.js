// Submits the only form of a handover page; without script, the user presses its button. Uses requestSubmit(), so that
// once.js sees the submission.
document.forms[0].requestSubmit()
