/**
 * What a log may say of an error: its name, a code, where it was thrown, and its cause. Messages are left out: those of
 * Postgres repeat values, and those of SDKs requests.
 */
export interface DescribedError {
  readonly name: string
  readonly code?: string | number
  readonly at?: readonly string[]
  readonly cause?: DescribedError
}

const MOST_FRAMES = 8
const MOST_CAUSES = 5

/** Never throws, whatever was thrown; a described error is described alike. */
export function describeError(error: unknown, causes = MOST_CAUSES): DescribedError {
  if (typeof error !== 'object' || error === null) return { name: typeof error }
  const { name, code, at, cause } = error as Record<string, unknown>
  const isError = error instanceof Error
  const frames = isError ? framesOf(error) : at
  return {
    name: typeof name === 'string' ? name : 'object',
    ...((typeof code === 'string' || typeof code === 'number') && { code }),
    ...(Array.isArray(frames) && { at: frames.filter((frame) => typeof frame === 'string').slice(0, MOST_FRAMES) }),
    ...(cause !== undefined && causes > 0 && { cause: describeError(cause, causes - 1) }),
  }
}

/** The frames alone: the stack begins with the message, which may have lines of its own. */
const framesOf = ({ stack = '' }: Error): string[] =>
  stack
    .split('\n')
    .filter((line) => /^ {4}at /.test(line))
    .map((line) => line.trim())
