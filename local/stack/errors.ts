/** Another start of the same folder is running, or still ending. */
export class AlreadyRunning extends Error {
  override name = 'AlreadyRunning'

  constructor() {
    super('It is running already: stop it first (Ctrl-C where it was started, or npm run reset)')
  }
}

/** A part of the stack cannot be had on this machine; the message says what was tried and what to do. */
export class PartUnavailable extends Error {
  override name = 'PartUnavailable'
}
