/**
 * What makes the members' pages pleasant where scripts run. Every page works without it.
 */
for (const form of document.querySelectorAll('form[data-submit-at-once]')) submitAtOnce(form)
for (const form of document.querySelectorAll('form[data-check]')) checkWhileTyping(form)

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

/** The verdict on an address, while it is typed, by the rule that the server keeps. */
function checkWhileTyping(form) {
  const field = form.elements.address
  const verdict = form.querySelector('[role=status]')
  const PAUSE_MS = 400
  let timer
  let asking
  const ask = async () => {
    asking = new AbortController()
    const { signal } = asking
    try {
      const answer = await fetch(form.dataset.check, {
        method: 'POST',
        body: new URLSearchParams(new FormData(form)),
        signal,
      })
      if (answer.ok) verdict.innerHTML = await answer.text()
    } catch {
      // Nothing is told while one types; the button says what is wrong.
    }
  }
  field.addEventListener('input', () => {
    clearTimeout(timer)
    asking?.abort()
    field.removeAttribute('aria-invalid')
    verdict.replaceChildren()
    if (field.value.trim() !== '') timer = setTimeout(ask, PAUSE_MS)
  })
}
