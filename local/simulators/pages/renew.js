// Replaces what has changed since, every two seconds; what is open stays open, and what is selected stays selected.
/* global Idiomorph */

const INTERVAL_MS = 2000
/** The reader's own. */
const callbacks = { beforeAttributeUpdated: (name) => name !== 'open' }

async function renew() {
  if (!document.hidden) {
    try {
      const answer = await fetch(location.href)
      const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html')
      if (answer.ok) Idiomorph.morph(document.querySelector('main'), fresh.querySelector('main'), { callbacks })
    } catch {
      // The simulators are away: the next time, perhaps.
    }
  }
  setTimeout(renew, INTERVAL_MS)
}

setTimeout(renew, INTERVAL_MS)
