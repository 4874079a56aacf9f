/**
 * `npm run config-reference`: writes docs/configuration.md from `config.ts` and `config/`: what each variable wants and defaults to, as its
 * schema says; why it is there, as its comment says; and who reads it, as the entrances say.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { z } from 'zod'
import { sections } from '../config.ts'

const ROOT = join(import.meta.dirname, '..')
const PAGE = 'docs/configuration.md'

/** What reads the configuration, and where. */
const ENTRANCES = {
  API: 'api/main.ts',
  'challenge worker': 'workers/challenge-worker.ts',
  'campaign worker': 'workers/campaign-worker.ts',
  'member consumer': 'workers/member-consumer.ts',
  'outbox relay': 'workers/outbox-relay.ts',
  'codec server': 'api/codec-server.ts',
  migrate: 'postgres/migrate.ts',
  CLI: 'cli/endpoint.ts',
} as const

const HEAD = `# Configuration

Every variable that our processes read, made from \`config/\` by \`npm run config-reference\`. A process that is given something
wrong names all of it at once and exits with 2; an empty variable counts as one that is not set.

Beside these: \`NODE_ENV=production\` refuses development keys, and pages and ways back without https; Temporal's address, namespace, TLS and API
key are read as its SDK reads them (\`TEMPORAL_ADDRESS\`, \`TEMPORAL_NAMESPACE\`, \`TEMPORAL_API_KEY\`, \`TEMPORAL_PROFILE\` …).
`

interface Field {
  readonly def: { readonly defaultValue?: unknown }
  safeParse(value: unknown): z.ZodSafeParseResult<unknown>
}

/** The whole page. */
export function configReference(): string {
  const source = configSource()
  const readers = readersOfSections()
  const parts = Object.entries(sections).map(([name, schema]) => {
    const fields = (schema.in as unknown as { shape: Record<string, Field> }).shape
    const rows = Object.entries(fields).map(
      ([variable, field]) =>
        `| \`${variable}\` | ${defaultOf(field)} | ${wantsOf(field)} | ${commentAbove(source, variable)} |`,
    )
    const who = readers.get(name)
    return [
      `## ${name}`,
      [commentAbove(source, name), who ? `Read by: ${who.join(', ')}.` : ''].filter(Boolean).join(' '),
      ['| Variable | Default | Wants | Why |', '|---|---|---|---|', ...rows].join('\n'),
    ].join('\n\n')
  })
  return `${[HEAD.trimEnd(), ...parts].join('\n\n')}\n`
}

/** The sections' sources, one after another. */
export function configSource(): string {
  const names = readdirSync(join(ROOT, 'config')).toSorted()
  return names.map((name) => read(`config/${name}`)).join('\n')
}

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')

function readersOfSections(): Map<string, string[]> {
  const readers = new Map<string, string[]>()
  for (const [who, path] of Object.entries(ENTRANCES)) {
    const lists = [...read(path).matchAll(/loadConfig\(\[([^\]]*)\]/g)].map(([, names]) => names).join()
    for (const [, name] of lists.matchAll(/'(\w+)'/g)) readers.set(name!, [...(readers.get(name!) ?? []), who])
  }
  return readers
}

function defaultOf(field: Field): string {
  const { success, data } = field.safeParse(undefined)
  if (!success) return '*required*'
  const { defaultValue = data } = field.def
  const written = Array.isArray(defaultValue) ? defaultValue.join(',') : defaultValue
  return ['string', 'number', 'boolean'].includes(typeof written) && written !== '' ? `\`${written as string}\`` : ''
}

/** No variable is an object: what is said to one is what is wanted. */
function wantsOf(field: Field): string {
  const { error } = field.safeParse({})
  return cell(error?.issues[0]?.message.replace(/^wants /, '') ?? '')
}

/** The comment that stands right above a variable or a section, as one line. */
function commentAbove(source: string, name: string): string {
  const [, comment = ''] =
    new RegExp(`/\\*\\*((?:(?!\\*/)[^])*)\\*/\\s*(?:${name}:|export const ${name} =)`).exec(source) ?? []
  return cell(comment.replaceAll(/^\s*\*\s?/gm, ' '))
}

const cell = (text: string) => text.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|').trim()

if (import.meta.main) {
  writeFileSync(join(ROOT, PAGE), configReference())
  console.log(`${PAGE} is written`)
}
