/**
 * What the environment says: the only reader of `process.env`. A value counts without the white space around it, which
 * is no part of any key, address or number; an empty one counts as not set.
 */

/** The variables that are set, each trimmed once for whoever reads it. A byte order mark is white space too. */
export const readEnvironment = (env: NodeJS.ProcessEnv = process.env): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(env)
      .map(([name, value = '']) => [name, value.trim()] as const)
      .filter(([, value]) => value !== ''),
  )

/** PEM has lines; every other value is one. */
const HAS_LINES: ReadonlySet<string> = new Set(['VONAGE_PRIVATE_KEY'])
/** Control characters, the invisible ones of Unicode, and its line ends. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u

/** Whether something stands within a value that nobody sees, and that would make another value of it. */
export const hidesSomething = (name: string, value: string): boolean =>
  INVISIBLE.test(HAS_LINES.has(name) ? value.replaceAll(/[\r\n\t]/g, '') : value)
