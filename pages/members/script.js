/**
 * What makes the members' pages pleasant where scripts run. Every page works without it.
 */
for (const form of document.querySelectorAll('form[data-submit-at-once]')) submitAtOnce(form)

/** Not while a browser only prepares the page: that would spend the link for nobody. */
function submitAtOnce(form) {
  const isSeen = () => !document.prerendering && document.visibilityState === 'visible'
  const submit = () => {
    if (isSeen()) form.requestSubmit()
    else listen()
  }
  const listen = () => {
    const event = document.prerendering ? 'prerenderingchange' : 'visibilitychange'
    document.addEventListener(event, submit, { once: true })
  }
  submit()
}
