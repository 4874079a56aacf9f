/**
 * What makes the members' pages pleasant where scripts run. Every page works without it.
 */

/** What the script does, by the attribute that asks for it. */
const parts = {
  'data-submit-at-once': submitAtOnce,
  'data-code-digits': fillInCode,
  'data-live': keepLive,
  'data-check': checkWhileTyping,
}
for (const [attribute, begin] of Object.entries(parts)) {
  for (const element of document.querySelectorAll(`[${attribute}]`)) void begin(element)
}

/** Presses a form's button, but not while a browser only prepares the page: that would spend the link for nobody. */
function submitAtOnce(form) {
  const submit = () => {
    const event = document.prerendering ? 'prerenderingchange' : 'visibilitychange'
    const isSeen = !document.prerendering && document.visibilityState === 'visible'
    if (isSeen) form.requestSubmit()
    else document.addEventListener(event, submit, { once: true })
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

/** WebOTP: the browser takes the code from the SMS whose last line names this site, where the member agrees. */
async function fillInCode(input) {
  if (!('OTPCredential' in window)) return
  const given = new AbortController()
  input.form.addEventListener('submit', () => given.abort(), { once: true })
  try {
    const { code } = await navigator.credentials.get({ otp: { transport: ['sms'] }, signal: given.signal })
    input.value = code
    input.form.requestSubmit()
  } catch {
    // The member declined, or types it.
  }
}

/**
 * Counts down what is left, and asks the server now and then: a device's clock may be wrong, and it may have slept. The
 * page is loaded anew when it no longer shows what stands.
 */
function keepLive(element) {
  const countdowns = [...element.querySelectorAll('[data-countdown]')]
  const { responseStart = 0 } = performance.getEntriesByType('navigation')[0] ?? {}
  // The moment, by the clock that nobody sets, at which each has run down.
  const ends = new Map(
    countdowns.map(({ dataset }) => [dataset.countdown, responseStart + 1000 * Number(dataset.seconds)]),
  )
  const isTyped = () => Boolean(element.querySelector('[data-code-digits]')?.value)
  const secondsUntil = (name) => Math.max(0, Math.ceil((ends.get(name) - performance.now()) / 1000))

  const show = () => {
    for (const countdown of countdowns) showSeconds(countdown, secondsUntil(countdown.dataset.countdown))
    for (const form of element.querySelectorAll('[data-waits-for]')) hold(form, secondsUntil(form.dataset.waitsFor))
    if (ends.has('expiry') && secondsUntil('expiry') === 0) correct()
  }

  // Who has got no answer asks less and less often.
  const SOON_MS = 1_000
  const LATE_MS = 60_000
  let pause = SOON_MS
  let notBefore = 0
  const ask = async () => {
    try {
      const answer = await fetch(element.dataset.live, { headers: { accept: 'application/json' }, cache: 'no-store' })
      if (!answer.ok && answer.status < 500) return location.reload()
      if (!answer.ok) throw new Error(String(answer.status))
      pause = SOON_MS
      const state = await answer.json()
      if (state.version !== element.dataset.version && !(state.acceptsCode && isTyped())) return loadAnew()
      for (const name of ends.keys()) ends.set(name, performance.now() + 1000 * state[name])
    } catch {
      // No network just now, or no service: it goes on counting.
      notBefore = performance.now() + pause
      pause = Math.min(2 * pause, LATE_MS)
    }
  }
  let asking = false
  const correct = () => {
    if (asking || document.visibilityState !== 'visible' || performance.now() < notBefore) return
    asking = true
    void ask().finally(() => (asking = false))
  }

  show()
  setInterval(show, 250)
  setInterval(correct, element.dataset.version.startsWith('sending') ? 1_500 : 10_000)
  document.addEventListener('visibilitychange', correct)
  window.addEventListener('online', correct)
  window.addEventListener('pageshow', ({ persisted }) => {
    if (persisted) correct()
  })
}

/** The page as it now stands, and not what a form came to earlier. */
function loadAnew() {
  location.replace(location.pathname)
}

function showSeconds(countdown, seconds) {
  const text = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
  if (countdown.textContent !== text) countdown.textContent = text
}

/** A button that would be refused waits. */
function hold(form, seconds) {
  const button = form.querySelector('button')
  const isEarly = seconds > 0
  if (button.disabled !== isEarly) button.disabled = isEarly
  for (const hint of form.querySelectorAll('.wait')) hint.hidden = !isEarly
}
