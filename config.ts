/**
 * The configuration.
 *
 * A process names the sections it needs (`loadConfig(PROCESS_SECTIONS.api)`) and gets them validated and frozen, so
 * that a process holds no secret it has no use for. All mistakes of all its sections are reported at
 * once, each with the name of the variable and what it wants; a value is never repeated in a message, since it may
 * be a secret.
 */
import { existsSync } from 'node:fs'
import { hidesSomething, readEnvironment } from './config/environment.ts'
import { wayToTemporal } from './config/network.ts'
import { mistakesOfMode } from './config/production.ts'
import { sections, variablesOf, type SectionName, type Sections } from './config/sections.ts'
import { keyRing } from './config/values.ts'
import { languagesOverOneSegment } from './messages/code-message.ts'

export { PROCESS_SECTIONS, sections, type ConfiguredProcess } from './config/sections.ts'
export type { KeyRing } from './temporal/key-ring.ts'

export type Config<S extends keyof Sections = keyof Sections> = Readonly<Pick<Sections, S>>
/** The rules of the challenge, as {@link loadConfig} reads them. */
export type Policy = Sections['policy']

/** The configuration cannot be used; `message` names every mistake, a line each. */
export class ConfigError extends Error {
  override name = 'ConfigError'
  /** Each with the name of its variable first. */
  readonly mistakes: readonly string[]
  constructor(mistakes: Iterable<string>) {
    const lines = [...mistakes]
    super(`The configuration cannot be used:\n${lines.map((line) => `  ${line}`).join('\n')}`)
    this.mistakes = lines
  }
}

/** D5: an SMS is one segment, in every language. Needs all three sections, as the challenge worker has them. */
function messagesThatDoNotFit({ providers, codes, policy }: Partial<Sections>): string[] {
  if (!providers || !codes || !policy) return []
  const { originHost } = providers
  const languages = languagesOverOneSegment({
    originHost,
    digits: codes.digits,
    ttlMinutes: Math.ceil(policy.ttlSeconds / 60),
  })
  if (languages.length === 0) return []
  return [
    `OTP_ORIGIN_HOST: wants a shorter host (it is that of OTP_PUBLIC_URL where not set), or fewer OTP_CODE_DIGITS: the SMS does not fit one segment in ${languages.join(', ')}`,
  ]
}

/** What the SDK's loader says of a profile file may repeat a line of it, which may be a key. */
function unreadableProfile(names: readonly SectionName[], given: NodeJS.ProcessEnv): string[] {
  const file = given['TEMPORAL_CONFIG_FILE']
  // The loader takes a file that is not there for one that is empty.
  const isRead = (file === undefined || existsSync(file)) && wayToTemporal(given) !== undefined
  if (!names.includes('temporal') || isRead) return []
  return [
    "TEMPORAL_…: Temporal's address, TLS and API key cannot be read: wants the file of TEMPORAL_CONFIG_FILE to be there and to have the profile TEMPORAL_PROFILE, and the files of TEMPORAL_TLS_…_PATH to be there",
  ]
}

/** The ids of a key ring in the environment, the current one first; none where it is not set or cannot be used. */
export function readKeyIds(
  variable: 'OTP_MASTER_KEYS' | 'OTP_CODEC_KEYS' | 'OTP_PROOF_KEYS',
  env?: NodeJS.ProcessEnv,
): string[] {
  const ring = keyRing.safeParse(readEnvironment(env)[variable])
  return ring.success ? [...ring.data.keys.keys()] : []
}

/** The section that the codec server reads beside its own, where it asks who calls. */
export const codecServerCallers = (env?: NodeJS.ProcessEnv): 'callers'[] =>
  readEnvironment(env)['OTP_CODEC_SERVER_CALLERS'] === 'known' ? ['callers'] : []

/** Reads the named sections: those that can be used, and every mistake, each with the name of its variable first. */
export function readConfig<S extends keyof Sections>(
  names: readonly S[],
  env?: NodeJS.ProcessEnv,
): { config: Partial<Config<S>>; mistakes: readonly string[] } {
  const mistakes = new Set<string>()
  const config: Partial<Sections> = {}
  const given = readEnvironment(env)
  for (const name of names) {
    const result = sections[name].safeParse(given)
    if (result.success) config[name] = Object.freeze(result.data) as never
    else for (const issue of result.error.issues) mistakes.add(`${issue.path.join('.')}: ${issue.message}`)
    for (const variable of Object.keys(variablesOf(name))) {
      if (hidesSomething(variable, given[variable] ?? '')) {
        mistakes.add(`${variable}: wants no control characters, nor invisible ones, within it`)
      }
    }
  }
  for (const mistake of unreadableProfile(names, given)) mistakes.add(mistake)
  for (const mistake of mistakesOfMode(names, given)) mistakes.add(mistake)
  for (const mistake of messagesThatDoNotFit(config)) mistakes.add(mistake)
  return { config: Object.freeze(config) as Partial<Config<S>>, mistakes: [...mistakes] }
}

/**
 * Reads and validates the named sections.
 *
 * @throws {ConfigError} naming all mistakes at once
 */
export function loadConfig<S extends keyof Sections>(names: readonly S[], env?: NodeJS.ProcessEnv): Config<S> {
  const { config, mistakes } = readConfig(names, env)
  if (mistakes.length > 0) throw new ConfigError(mistakes)
  return config as Config<S>
}
