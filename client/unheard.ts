/**
 * What goes on after an answer was given up has nobody left to hear how it ends, and a rejection that nobody hears ends the
 * process. Whoever does wait hears it all the same.
 */
export function unheard(work: Promise<unknown> | undefined): Promise<void> {
  const done = Promise.resolve(work).then(() => {})
  done.catch(() => {})
  return done
}
