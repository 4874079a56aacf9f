import type { Endpoints } from './endpoints.ts'
import { PROCESSES } from './environment.ts'
import { duration } from './progress.ts'
import type { Standing } from './steps.ts'

export interface Welcome {
  readonly endpoints: Endpoints
  readonly standings: readonly Standing[]
  /** In milliseconds. `packages`: 0 where none had to be installed. `start`: from there on. */
  readonly tookMs: { readonly packages: number; readonly start: number }
}

/** What the system cannot do where one of these is not there. */
const CONSEQUENCES: Readonly<Record<string, string>> = {
  Postgres: 'no code can be asked for or verified.',
  Temporal: 'no code is sent; those that were sent can be verified.',
  Kafka: 'members do not arrive and outcomes are not published.',
}

/** What to open and what to try, for someone who has never seen the system. */
export function welcome({ endpoints, standings, tookMs }: Welcome): string {
  const { bank, api, apiKey, outbox, temporalUi, sampleMembers, kafka } = endpoints
  const memberId = sampleMembers['sms'] ?? '<memberId>'
  const lines = [
    '',
    `Ready after ${duration(tookMs.packages + tookMs.start)}: ${times(standings, tookMs.packages)}`,
    '',
    'Open this, log in as one of the members, and redeem an award:',
    '',
    `  Mileage bank  ${bank}`,
    outbox &&
      `  Outbox        ${outbox}   where the one-time passwords arrive, as SendGrid and Vonage would deliver them`,
    '',
    'Behind it:',
    '',
    `  API           ${api}/docs`,
    `  Campaigns     ${api}/campaigns   any user name, the API key as password`,
    temporalUi && `  Temporal UI   ${temporalUi}`,
    kafka && `  Kafka         ${kafka}`,
    '  Everything    .local/endpoints.json, logs in .local/logs',
    '',
    'Without the bank, ask for a one-time password, and read it in the outbox:',
    '',
    `  curl -sX POST ${api}/v1/challenges -H 'authorization: Bearer ${apiKey}' -H 'content-type: application/json' \\`,
    `    -d '{"memberId":"${memberId}","purpose":"view_membership"}'`,
    '',
    'Then verify it, with the challengeId of that answer:',
    '',
    `  curl -sX POST ${api}/v1/challenges/<challengeId>/verify -H 'authorization: Bearer ${apiKey}' \\`,
    `    -H 'content-type: application/json' -d '{"code":"<code>"}'`,
    '',
    `Sample members: ${
      Object.entries(sampleMembers)
        .map(([kind, id]) => `${kind} ${id}`)
        .join(', ') || 'none'
    }`,
    ...problems(standings).map((problem) => `\nWithout: ${problem}`),
    '',
    'Ctrl-C ends everything; the data stays. npm run reset begins anew.',
  ]
  return lines.filter((line) => line !== undefined).join('\n')
}

/** `packages 41 s, Postgres 3 s, …`: our own processes by the slowest, since they start side by side. */
function times(standings: readonly Standing[], packagesMs: number): string {
  const took = standings.flatMap(({ title, tookMs }) => (tookMs === undefined ? [] : [{ title, tookMs }]))
  const own = took.filter(({ title }) => title in PROCESSES)
  const others = took.filter(({ title }) => !(title in PROCESSES))
  return [
    ...(packagesMs > 0 ? [{ title: 'packages', tookMs: packagesMs }] : []),
    ...others,
    ...(own.length > 0 ? [{ title: 'our processes', tookMs: Math.max(...own.map(({ tookMs }) => tookMs)) }] : []),
  ]
    .map(({ title, tookMs }) => `${title} ${duration(tookMs)}`)
    .join(', ')
}

/** One for each thing that failed, with what was not started because of it. */
function problems(standings: readonly Standing[]): string[] {
  const without = (title: string): string[] =>
    standings
      .filter(({ missing }) => missing === title)
      .flatMap((standing) => [standing.title, ...without(standing.title)])
  return standings.flatMap(({ title, problem }) => {
    if (problem === undefined) return []
    const held = without(title)
    return [
      `${title}: ${[CONSEQUENCES[title], problem, held.length > 0 && `Not started: ${held.join(', ')}.`].filter(Boolean).join(' ')}`,
    ]
  })
}
