/**
 * Following a campaign: a bar for each wave on a terminal, lines elsewhere, JSON for scripts.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { MultiBar, type SingleBar } from 'cli-progress'
import type { CampaignReportAnswer } from '../api/campaign-schemas.ts'
import type { ApiClient } from './api-client.ts'
import { count, logLine, standingLine, stepOf } from './campaign-tables.ts'
import { CliFailure, EXIT } from './failure.ts'

/** How long the API may be away before watching ends. */
const PATIENCE_MS = 600_000

export interface Watch {
  readonly campaignId: string
  readonly everyMs: number
  readonly asJson: boolean
  /** `standing`: all waves have passed. */
  readonly until: 'standing' | 'ended'
  /** At Ctrl-C. */
  readonly signal: AbortSignal
}

/** What is shown each time that something has changed; `news` are the entries of the log since. */
interface Show {
  update(report: CampaignReportAnswer, news: CampaignReportAnswer['log']): void
  end(): void
}

/**
 * Follows a campaign until all of its waves have passed, or it has ended.
 *
 * @throws {CliFailure} where it was aborted
 */
export async function watchCampaign(api: ApiClient, watch: Watch): Promise<void> {
  const { campaignId, everyMs, until, asJson, signal } = watch
  const show = asJson ? inJson() : process.stdout.isTTY ? inBars() : inLines()
  let seen = 0
  let last = ''
  try {
    let report = await api.show(campaignId)
    for (;;) {
      const news = report.log.slice(0, report.logEntries - seen).toReversed()
      const now = JSON.stringify(report)
      if (now !== last) show.update(report, news)
      last = now
      seen = report.logEntries
      const { phase, state } = report
      if (phase === 'ended' && state === 'aborted') throw new CliFailure('refused', `${campaignId} was aborted.`)
      if (phase === 'ended' || (phase === 'standing' && until === 'standing')) break
      await wait(everyMs, undefined, { signal })
      report = await showPatiently(api, watch)
    }
  } finally {
    show.end()
  }
}

/** The API may be away for a while, in a deployment for one: whoever watches waits, and is told so once. */
async function showPatiently(api: ApiClient, { campaignId, everyMs, signal }: Watch): Promise<CampaignReportAnswer> {
  const until = performance.now() + PATIENCE_MS
  for (let isTold = false; ; isTold = true) {
    try {
      return await api.show(campaignId)
    } catch (error) {
      const isAway = error instanceof CliFailure && error.exitCode === EXIT.unreachable
      if (!isAway || performance.now() > until) throw error
      if (!isTold) console.error(`${error.message} Still looking.`)
    }
    await wait(everyMs, undefined, { signal })
  }
}

/** How many members, of one wave or of all, stand where they are to stand for now, and how many were taken. */
function progressOf({ counts }: CampaignReportAnswer, wave?: number) {
  const groups = counts.filter((group) => wave === undefined || group.wave === wave)
  const total = groups.reduce((sum, { members }) => sum + members, 0)
  const awaiting = groups.filter(({ state }) => state === 'awaiting').reduce((sum, { members }) => sum + members, 0)
  return { total, settled: total - awaiting }
}

function inJson(): Show {
  return {
    update: ({ log: _log, plan: _plan, ...status }, news) => console.log(JSON.stringify({ ...status, log: news })),
    end: () => {},
  }
}

function inLines(): Show {
  let last = ''
  return {
    update(report, news) {
      for (const entry of news) console.log(logLine(entry))
      const { total, settled } = progressOf(report)
      const line = `${standingLine(report)}; ${count(settled)} of ${count(total)} members taken are settled`
      if (line !== last) console.log(line)
      last = line
    },
    end: () => {},
  }
}

/** Clears what a bar has left behind on the line (ECMA-48 EL), and ends it. */
const REST_OF_LINE = '\u001B[K\n'

function inBars(): Show {
  const bars = new MultiBar({
    format: '  wave {wave} │{bar}│ {percentage} % │ {settled} of {all} │ {step}',
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 28,
    stream: process.stdout,
    emptyOnZero: true,
    hideCursor: true,
    clearOnComplete: false,
    linewrap: false,
    // What was logged above has moved every bar.
    forceRedraw: true,
    gracefulExit: false,
  })
  const drawn = new Map<number, SingleBar>()
  let last = ''
  return {
    update(report, news) {
      for (const entry of news) bars.log(`${logLine(entry)}${REST_OF_LINE}`)
      const line = standingLine(report)
      if (line !== last) bars.log(`${line}${REST_OF_LINE}`)
      last = line
      for (const wave of report.waves) {
        const { total, settled } = progressOf(report, wave.wave)
        const words = { wave: wave.wave, settled: count(settled), all: count(total), step: stepOf(wave, report) }
        const bar = drawn.get(wave.wave) ?? bars.create(total, settled, words)
        drawn.set(wave.wave, bar)
        bar.setTotal(total)
        bar.update(settled, words)
      }
      bars.update()
    },
    end: () => bars.stop(),
  }
}
