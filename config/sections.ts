/** What each part of a process is configured by, and which process reads which part. */
import type { z } from 'zod'
import { callers } from './callers.ts'
import { campaign } from './campaign.ts'
import { codes, policy } from './challenge.ts'
import { cli } from './cli.ts'
import { messages } from './messages.ts'
import { log, tracing } from './observability.ts'
import { pages } from './pages.ts'
import { providers, webhooks } from './providers.ts'
import { retention } from './retention.ts'
import { codecServer, http, metrics } from './servers.ts'
import { kafka, postgres, temporal } from './systems.ts'

/** `npm run config-reference` makes a page of it. */
export const sections = {
  http,
  callers,
  pages,
  postgres,
  temporal,
  codecServer,
  kafka,
  codes,
  policy,
  campaign,
  providers,
  messages,
  webhooks,
  retention,
  metrics,
  tracing,
  cli,
  log,
}
export type SectionName = keyof typeof sections
export type Sections = { [S in SectionName]: z.output<(typeof sections)[S]> }

/** What each of our processes reads, and no more. */
export const PROCESS_SECTIONS = {
  api: [
    'http',
    'callers',
    'pages',
    'webhooks',
    'postgres',
    'temporal',
    'codes',
    'policy',
    'campaign',
    'tracing',
    'log',
  ],
  'challenge-worker': [
    'postgres',
    'temporal',
    'codes',
    'policy',
    'providers',
    'retention',
    'metrics',
    'tracing',
    'log',
  ],
  'campaign-worker': ['postgres', 'temporal', 'policy', 'campaign', 'providers', 'metrics', 'log'],
  'member-consumer': ['postgres', 'kafka', 'metrics', 'log'],
  'outbox-relay': ['postgres', 'kafka', 'metrics', 'log'],
  'codec-server': ['codecServer', 'log'],
} as const satisfies Record<string, readonly SectionName[]>
export type ConfiguredProcess = keyof typeof PROCESS_SECTIONS

type Fields<S extends SectionName> = z.output<(typeof sections)[S]['in']>
type Both<U> = (U extends unknown ? (one: U) => void : never) extends (all: infer All) => void ? All : never
/** What the variables of some sections say. One that is wrong, or that none of the sections has, is not there. */
export type Values = Partial<Both<{ [S in SectionName]: Fields<S> }[SectionName]>>

/** The schemas of a section's variables, by name. */
export const variablesOf = (name: SectionName): Readonly<Record<string, z.ZodType>> => sections[name].in.shape

/** Reads each variable by itself, so that a mistake in one hides nothing of the others. */
export function readValues(names: readonly SectionName[], given: Readonly<Record<string, string>>): Values {
  const values: Record<string, unknown> = {}
  for (const [variable, schema] of names.flatMap((name) => Object.entries(variablesOf(name)))) {
    // Of two sections that have it, one may have a default.
    values[variable] ??= schema.safeParse(given[variable]).data
  }
  return values
}
