/**
 * How `otp` fails: what to read, and the exit code that scripts go by.
 */

export const EXIT = {
  /** Refused, or it has failed. */
  refused: 1,
  /** What was typed cannot be used. */
  usage: 2,
  /** The API, or what is behind it, cannot be reached. */
  unreachable: 3,
} as const

/** Its message says what went wrong, and what to do next. */
export class CliFailure extends Error {
  override name = 'CliFailure'
  readonly exitCode: number
  constructor(kind: keyof typeof EXIT, message: string) {
    super(message)
    this.exitCode = EXIT[kind]
  }
}
