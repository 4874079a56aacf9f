/**
 * The doctor (O2): looks at every part that the environment names, and says what is wrong and what to do. It changes nothing,
 * sends nothing, and shows no secret.
 */
import { codecServerCallers, PROCESS_SECTIONS, readConfig, type Config, type ConfiguredProcess } from '../config.ts'
import { temporalAddress, type TemporalAddress } from '../temporal/connect.ts'
import { checkApi } from './check-api.ts'
import { checkKafka } from './check-kafka.ts'
import { checkPostgres } from './check-postgres.ts'
import { checkSendGrid, checkVonage } from './check-providers.ts'
import { checkTemporal } from './check-temporal.ts'
import { PARTS, wordOf, type Check, type Finding, type Part } from './finding.ts'

export interface Diagnosis {
  /** What was looked at, in order; a part that the environment does not name is not. */
  readonly looked: readonly Part[]
  readonly findings: readonly Finding[]
}

/**
 * @param processes whose environment this is; all of them together where it is everything's
 */
export async function diagnose(
  env: NodeJS.ProcessEnv | undefined,
  processes: readonly ConfiguredProcess[],
): Promise<Diagnosis> {
  const sections = new Set<keyof Config>(processes.flatMap((name) => [...PROCESS_SECTIONS[name]]))
  if (sections.has('codecServer')) for (const section of codecServerCallers(env)) sections.add(section)
  const { config, mistakes } = readConfig([...sections, 'cli'], env)
  const checks = checksOf(config, sections.has('temporal') ? addressOf(env) : undefined)
  const found = await Promise.all(
    PARTS.map(async (part) => {
      try {
        return (await checks[part]?.()) ?? []
      } catch (error) {
        return [broken(part, error)]
      }
    }),
  )
  return {
    looked: ['configuration', ...PARTS.filter((part) => checks[part] !== undefined)],
    findings: [...mistakes.map(misconfigured), ...found.flat()],
  }
}

/** None where it cannot be read, which is a mistake of the configuration. */
function addressOf(env: NodeJS.ProcessEnv | undefined): TemporalAddress | undefined {
  try {
    return temporalAddress(env)
  } catch {
    return undefined
  }
}

const misconfigured = (mistake: string): Finding => ({
  part: 'configuration',
  code: 'configuration',
  what: `${mistake}.`,
  todo: 'docs/configuration.md names every variable, its default and its reason; --for names the processes whose environment this is.',
})

function checksOf(config: Partial<Config>, address: TemporalAddress | undefined): Partial<Record<Part, Check>> {
  const { postgres, temporal, kafka, providers, codes, cli } = config
  return {
    ...(postgres && { postgres: () => checkPostgres(postgres, codes?.masterKeys) }),
    ...(address && { temporal: () => checkTemporal(temporal?.codecKeys, address) }),
    ...(kafka && { kafka: () => checkKafka(kafka) }),
    ...(providers && { sendgrid: () => checkSendGrid(providers), vonage: () => checkVonage(providers) }),
    ...(cli?.endpoint && { api: () => checkApi(cli.endpoint!.url) }),
  }
}

const broken = (part: Part, error: unknown): Finding => ({
  part,
  code: 'not_examined',
  what: `It could not be looked at (${wordOf(error)}).`,
  todo: 'Tell whoever looks after this program.',
})
