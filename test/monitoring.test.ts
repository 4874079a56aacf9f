/**
 * O4: what dashboards and alerts ask for is what our processes show, every expression is one, and each alert has a page
 * that says what to do.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parser } from '@prometheus-io/lezer-promql'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { freePort } from '../local/stack/ports.ts'
import { startOwnStack, type OwnStack } from './support/own-stack.ts'
import { until } from './support/until.ts'

const ROOT = join(import.meta.dirname, '..')
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const RULES = 'monitoring/prometheus/alerts.yml'
const RULE_TESTS = 'monitoring/prometheus/alerts.test.yml'
/** `.ci/run` brings it. */
const promtool = ['/usr/bin', '/usr/local/bin', ...(process.env['PATH'] ?? '').split(':')]
  .map((folder) => join(folder, 'promtool'))
  .find((path) => existsSync(path))

const rule = z.strictObject({
  alert: z.string().regex(/^Otp[A-Za-z]+$/),
  expr: z.string(),
  for: z.string().optional(),
  labels: z.strictObject({ severity: z.enum(['page', 'ticket']) }),
  annotations: z.strictObject({ summary: z.string(), runbook_url: z.string() }),
})
const rules = z
  .strictObject({ groups: z.array(z.strictObject({ name: z.string(), rules: z.array(rule) })) })
  .parse(parse(read(RULES)))
  .groups.flatMap((group) => group.rules)

const FOLDER = 'monitoring/grafana/dashboards'
const dashboard = z.object({
  uid: z.string(),
  panels: z.array(z.object({ id: z.number(), title: z.string(), targets: z.array(z.object({ expr: z.string() })) })),
})
const panels = readdirSync(join(ROOT, FOLDER)).flatMap(
  (file) => dashboard.parse(JSON.parse(read(`${FOLDER}/${file}`))).panels,
)

const expressions = [
  ...rules.map(({ alert, expr }) => ({ where: alert, expr })),
  ...panels.flatMap(({ title, targets }) =>
    targets.map(({ expr }) => ({ where: title, expr: expr.replaceAll('$__rate_interval', '5m') })),
  ),
]

/** The nodes of an expression, by kind. */
function nodesOf(expr: string): { kind: string; text: string; isError: boolean }[] {
  const nodes: { kind: string; text: string; isError: boolean }[] = []
  parser.parse(expr).iterate({
    enter: ({ name, from, to, type }) => {
      nodes.push({ kind: name, text: expr.slice(from, to), isError: type.isError })
    },
  })
  return nodes
}

/** Each metric of an expression, with the labels that it is asked by. */
const selectorsOf = (expr: string) =>
  nodesOf(expr)
    .filter(({ kind }) => kind === 'VectorSelector')
    .map(({ text }) => ({
      metric: /^[a-z_:0-9]+/i.exec(text)![0],
      labels: Array.from(text.matchAll(/([a-z_]+)\s*(?:=|!=|=~|!~)\s*"/gi), ([, label]) => label!),
    }))

describe('expressions', () => {
  it.each(['sum(rate(x[5m])', 'rate(x[5minutes])', 'x{a=b}', 'sum by le (x)'])('%s would be found out', (expr) => {
    expect(nodesOf(expr).some(({ isError }) => isError)).toBe(true)
  })

  it.each(expressions)('of "$where" is PromQL', ({ expr }) => {
    expect(nodesOf(expr).filter(({ isError }) => isError)).toEqual([])
    expect(selectorsOf(expr)).not.toEqual([])
  })
})

describe.skipIf(promtool === undefined)('promtool, where there is one,', () => {
  it.each([
    ['takes the configuration and the rules', 'check', 'config', 'monitoring/prometheus/prometheus.yml'],
    ['sees each alert raised by what should raise it', 'test', 'rules', RULE_TESTS],
  ])('%s', (_name, ...args) => {
    expect(execFileSync(promtool!, args, { cwd: ROOT, encoding: 'utf8' })).toContain('SUCCESS')
  })
})

describe('each alert', () => {
  it.each(rules)('$alert has a test that sees it raised', ({ alert }) => {
    expect(read(RULE_TESTS)).toContain(`ALERTS{alertname="${alert}",alertstate="firing"`)
  })

  it.each(rules)('$alert has a page of the runbook', ({ alert, annotations }) => {
    const page = read(annotations.runbook_url)
    expect(page).toMatch(new RegExp(`^# ${alert}\n`))
    expect(page).toContain('\n## Look\n')
    expect(page).toContain('\n## Do\n')
  })

  it('is on the list of the runbook, and every page is about one', () => {
    const pages = readdirSync(join(ROOT, 'docs/runbook')).filter((file) => file !== 'README.md')
    expect(pages.map((file) => `docs/runbook/${file}`).toSorted()).toEqual(
      rules.map(({ annotations }) => annotations.runbook_url).toSorted(),
    )
    for (const file of pages) expect(read('docs/runbook/README.md')).toContain(`(${file})`)
  })
})

describe('every metric that is asked for', () => {
  let stack: OwnStack
  let shown: Map<string, ReadonlySet<string>>
  let text: string

  beforeAll(async () => {
    stack = await startOwnStack()
    const names = ['challenge-worker', 'campaign-worker', 'member-consumer', 'outbox-relay'] as const
    const ports = await Promise.all(names.map(() => freePort()))
    const sdkPort = await freePort()
    await Promise.all([
      stack.run('api'),
      ...names.map((name, index) =>
        stack.run(name, {
          OTP_METRICS_PORT: String(ports[index]),
          ...(name === 'challenge-worker' && { OTP_TEMPORAL_METRICS_PORT: String(sdkPort) }),
        }),
      ),
    ])
    await stack.temporal.workflow.start('otpChallenge', {
      workflowId: 'otp-challenge/nobody',
      taskQueue: 'otp-challenge',
      args: [{ challengeId: uuidv7(), memberId: 'nobody', purpose: 'redeem_benefit' }],
    })
    // Whose task fails: no worker has its code.
    await stack.temporal.workflow.start('nobodys', { workflowId: 'nobodys', taskQueue: 'otp-challenge' })
    const scrape = async () => {
      const texts = await Promise.all(
        [stack.env['PORT'], sdkPort, ...ports].map(async (port) =>
          (await fetch(`http://127.0.0.1:${port}/metrics`)).text(),
        ),
      )
      return texts.join('\n')
    }
    text = await until(async () => {
      const now = await scrape()
      const parts = [
        /temporal_activity_schedule_to_start/,
        /temporal_workflow_task_execution_failed/,
        /otp_challenges_total\{/,
      ]
      return parts.every((part) => part.test(now)) && now
    }, 60_000)
    shown = readMetrics(text)
  })
  afterAll(() => stack?.stop())

  /** Prometheus makes these itself. */
  const OWN = new Map([['up', new Set(['job', 'instance'])]])

  it.each(expressions)('by "$where" is shown by a process of ours', ({ expr }) => {
    for (const { metric, labels } of selectorsOf(expr)) {
      const known = shown.get(metric) ?? OWN.get(metric)
      expect(known, metric).toBeDefined()
      // What was never counted shows no labels yet.
      const unknown = known!.size > 0 ? labels.filter((label) => !known!.has(label)) : []
      expect(unknown, metric).toEqual([])
    }
  })

  // An increase of a series that begins with its first count is 0, and an alert that waits for one never comes.
  it.each([
    ['otp_member_events_total', 'result', 'not_json'],
    ['otp_receipts_total', 'result', 'unsigned'],
  ])('begins with 0, before there is anything to count: %s{%s="%s"}', (metric, label, value) => {
    expect(text).toMatch(new RegExp(`^${metric}\\{[^}]*${label}="${value}"\\} 0$`, 'm'))
  })

  it('holds nothing of a member', () => {
    const labels = new Set([...shown.values()].flatMap((names) => [...names]))
    expect(labels).not.toContain('member')
    expect([...shown.keys()].join('\n')).toContain('otp_outbox_age_seconds')
  })
})

/** The names of what is shown, with their labels; a histogram as the three that Prometheus makes of it. */
function readMetrics(text: string): Map<string, ReadonlySet<string>> {
  const shown = new Map<string, Set<string>>()
  for (const [, name, type] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    const parts = type === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']
    for (const part of parts) shown.set(`${name}${part}`, new Set())
  }
  for (const [, name, labels] of text.matchAll(/^([a-z_:0-9]+)(?:\{([^}]*(?:"[^"]*"[^}]*)*)\})? /gim)) {
    const known = shown.get(name!) ?? new Set()
    for (const [, label] of (labels ?? '').matchAll(/([a-z_]+)="/gi)) known.add(label!)
    shown.set(name!, known)
  }
  return shown
}

describe('the compose file', () => {
  const { services } = z
    .object({ services: z.record(z.string(), z.object({ profiles: z.array(z.string()).optional() })) })
    .parse(parse(read('docker-compose.yml'), { merge: true }))
  const { scrape_configs: jobs } = z
    .object({
      scrape_configs: z.array(z.object({ static_configs: z.array(z.object({ targets: z.array(z.string()) })) })),
    })
    .parse(parse(read('monitoring/prometheus/prometheus.yml')))

  it('has the services that Prometheus asks, and starts monitoring on demand only', () => {
    const targets = jobs.flatMap(({ static_configs: lists }) => lists.flatMap((list) => list.targets))
    for (const target of targets) expect(services).toHaveProperty(target.split(':')[0]!)
    for (const name of ['prometheus', 'grafana', 'traces']) expect(services[name]?.profiles).toEqual(['monitoring'])
  })
})
