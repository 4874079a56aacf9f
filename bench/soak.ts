/**
 * `npm run soak`: a whole rollout over generated members on a stack of its own, and what it took. With `--kill`, each
 * part and process dies that often on the way. Ends with 1 where anybody is not where the rule puts them.
 */
import { writeFile } from 'node:fs/promises'
import { availableParallelism, loadavg } from 'node:os'
import { Presets, SingleBar } from 'cli-progress'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { planCampaign } from '../postgres/campaigns.ts'
import { auditEvents, auditMembers, auditNotices } from '../test/support/rollout-audit.ts'
import {
  beginRollout,
  chooseDeaths,
  publishChanges,
  registerMembers,
  ROLLOUT_PLAN,
  runLengths,
  strikeAll,
  untilSettled,
} from '../test/support/rollout-run.ts'
import { startRolloutStack, type RolloutStack } from '../test/support/rollout-stack.ts'
import { createCpuMeter, type CpuReading } from './measure/cpu.ts'
import { watchMemory } from './measure/memory.ts'
import { table } from './report.ts'

interface Options {
  readonly members: number
  readonly changes: number
  readonly seed: number
  readonly kill: number
  readonly noticesAtOnce: number
  readonly hours: number
  readonly json?: string
}

const CAMPAIGN = 'soak'
const HOUR_MS = 3_600_000
/** At moments up to so far apart: a worker that died is missed for up to 20 s, and should be at work again by the next. */
const MOST_APART_MS = 15_000
const LEASE_SECONDS = 10
/** R8 */
const MOST_EVENTS = 4_096
const MOST_PLAN_MS = 5_000

const RULES = {
  adultAge: 18,
  smsCountries: ['JP'],
  smsRefusedPrefixes: [],
  enforceAfterSeconds: 5,
  leaseSeconds: LEASE_SECONDS,
}

async function soak(options: Options) {
  const { members, changes, seed, kill, noticesAtOnce } = options
  const people = { seed, members, changes }
  const withinMs = options.hours * HOUR_MS
  say('starting Postgres, Temporal, Kafka and our processes')
  const stack = await startRolloutStack({
    OTP_ENFORCE_AFTER_SECONDS: String(RULES.enforceAfterSeconds),
    OTP_NOTICES_AT_ONCE: String(noticesAtOnce),
    OTP_NOTICE_LEASE_SECONDS: String(LEASE_SECONDS),
  })
  const memory = watchMemory(() => stack.pids())
  try {
    say(`${members} members through Kafka`)
    const intake = await registerMembers(stack, people, withinMs)
    const planMs = await timed(() => planCampaign(stack.auditor, CAMPAIGN, ROLLOUT_PLAN, RULES))
    say(`the plan took ${planMs.toFixed(0)} ms; the campaign begins`)
    const bar = progressBar(stack, members)
    const deaths = chooseDeaths(seed, kill, MOST_APART_MS)
    if (kill > 0) say(deaths.map(({ name, afterMs }) => `${name} +${afterMs} ms`).join(', '))
    // A process that is started again begins at nothing: then there is no sum to be had.
    const cpu = kill === 0 ? createCpuMeter({ ...stack.pids(), soak: process.pid }) : undefined
    const before = cpu?.read()
    const campaignMs = await timed(async () => {
      await beginRollout(stack, CAMPAIGN)
      await Promise.all([strikeAll(stack, deaths), publishChanges(stack, people, 20_000)])
      await untilSettled(stack, CAMPAIGN, withinMs)
    })
    await bar.stop()
    const cpuSeconds = before && cpu && secondsBetween(before, cpu.read())
    say('looking at every member, notice and event')
    return await report(stack, options, { ...intake, planMs, campaignMs, memory: memory.stop(), cpuSeconds })
  } finally {
    memory.stop()
    await stack.stop()
  }
}

interface Times {
  readonly publishedMs: number
  readonly appliedMs: number
  readonly planMs: number
  readonly campaignMs: number
  readonly memory: ReturnType<ReturnType<typeof watchMemory>['stop']>
  readonly cpuSeconds: Record<string, number> | undefined
}

/** Of the campaign, by process; `machine` is all that ran on it, others' work included. */
const secondsBetween = (before: CpuReading, after: CpuReading) =>
  Object.fromEntries([...after].map(([name, seconds]) => [name, Math.round(seconds - before.get(name)!)]))

async function report(stack: RolloutStack, options: Options, times: Times) {
  const { members, changes, seed, kill, noticesAtOnce } = options
  const people = { seed, members, changes }
  const notices = await auditNotices(stack, CAMPAIGN)
  const events = await auditEvents(stack, CAMPAIGN)
  const findings = [...(await auditMembers(stack, CAMPAIGN, people)), ...notices.findings, ...events.findings]
  const lengths = await runLengths(stack, CAMPAIGN)
  const drawing = await drawingTime(stack)
  const perSecond = (count: number, ms: number) => Math.round((count * 1_000) / ms)
  const figures = {
    members,
    changes,
    seed,
    killsOfEach: kill,
    noticesAtOnce,
    publishedPerSecond: perSecond(members, times.publishedMs),
    appliedPerSecond: perSecond(members, times.appliedMs),
    planMs: Math.round(times.planMs),
    campaignSeconds: Math.round(times.campaignMs / 1_000),
    drawnPerSecond: perSecond(members, drawing),
    notices: notices.sent,
    noticesPerSecond: perSecond(notices.sent, times.campaignMs),
    sentTwice: notices.twice + notices.unrecorded,
    sentTwiceAtMost: kill * noticesAtOnce,
    events: events.events,
    eventsRepeated: events.repeated,
    runs: lengths.length,
    mostEventsOfARun: Math.max(...lengths),
    memoryMiB: times.memory,
    cpuSeconds: times.cpuSeconds,
    load: loadavg().map((load) => Number(load.toFixed(1))),
    cpus: availableParallelism(),
  }
  return { figures, findings: [...findings, ...missed(figures)] }
}

/** What must hold whatever the machine; the plan's time is an aim, and said. */
function missed(figures: { sentTwice: number; sentTwiceAtMost: number; mostEventsOfARun: number }): string[] {
  return [
    ...(figures.sentTwice > figures.sentTwiceAtMost ? ['more was sent twice than a batch for each death'] : []),
    ...(figures.mostEventsOfARun > MOST_EVENTS ? [`a run has more than ${MOST_EVENTS} events`] : []),
  ]
}

/** Milliseconds in which the waves were drawn; sending went on between the batches. */
async function drawingTime({ auditor }: RolloutStack): Promise<number> {
  const [row] = await auditor<{ ms: number }[]>`
    select (extract(epoch from sum(drawn_at - opened_at)) * 1000)::float8 as ms from campaign_waves`
  return row!.ms
}

/** Members who are where they will stay; approximately, since counting them all takes time of its own. */
function progressBar({ auditor }: RolloutStack, members: number) {
  const bar = new SingleBar(
    { format: '{bar} {percentage} %  {value} of {total}', stream: process.stderr, noTTYOutput: false },
    Presets.shades_classic,
  )
  bar.start(members, 0)
  let looking: Promise<void> | undefined
  const look = async () => {
    const rows = await auditor<{ n: number }[]>`
      select count(*)::int as n from campaign_members where state not in ('awaiting', 'announced')`.catch(() => [])
    if (rows[0]) bar.update(rows[0].n)
    looking = undefined
  }
  const timer = setInterval(() => void (looking ??= look()), 5_000)
  return {
    async stop() {
      clearInterval(timer)
      await looking
      bar.stop()
    },
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

const say = (words: string) => console.error(words)

function wholeNumber(value: string): number {
  const number = Number(value)
  if (Number.isInteger(number) && number >= 0) return number
  throw new InvalidArgumentError('wants a whole number')
}

const whole = (flags: string, words: string, otherwise: number) =>
  new Option(flags, words).default(otherwise).argParser(wholeNumber)

const command = new Command('soak')
  .description('A whole rollout over generated members on a stack of its own, and what it took.')
  .addOption(whole('--members <count>', 'how many', 100_000))
  .addOption(whole('--changes <count>', 'how many changes arrive during the campaign', 2_000))
  .addOption(whole('--seed <number>', 'which people, and which deaths', 1))
  .addOption(whole('--kill <times>', 'how often each part and process is killed', 0))
  .addOption(whole('--notices-at-once <count>', 'OTP_NOTICES_AT_ONCE', 50))
  .addOption(whole('--hours <count>', 'give up after', 2))
  .option('--json <file>', 'where the figures are written as JSON')
  .exitOverride()

try {
  const options = command.parse().opts<Options>()
  const { figures, findings } = await soak(options)
  const known = Object.entries(figures).filter(([, value]) => value !== undefined)
  const rows = known.map(([name, value]) => [name, typeof value === 'object' ? JSON.stringify(value) : String(value)])
  console.log(table(['', ''], rows))
  console.log(`${figures.planMs < MOST_PLAN_MS ? 'met   ' : 'MISSED'} the plan in less than 5 s`)
  if (options.json !== undefined) {
    await writeFile(options.json, `${JSON.stringify({ figures, findings }, undefined, 2)}\n`)
  }
  for (const finding of findings) console.error(`wrong: ${finding}`)
  if (findings.length > 0) process.exitCode = 1
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2
  else {
    console.error(error)
    process.exitCode = 1
  }
}
