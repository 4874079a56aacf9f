/**
 * What long steps are doing, said often enough that nobody has to wonder whether they still do it (Q1).
 */

/**
 * Takes a line that says what a step is doing; each call is a sign of life. `log` is the file with the step's own output, to be
 * named when it has been silent for long.
 */
export type Report = (line: string, log?: string) => void

/** A step while it is under way. */
export interface StepProgress {
  readonly report: Report
  /** It waits for another step. That one says itself whether it lives. */
  waitFor(other: string): void
  /** Resolves, in words, when the step has given no sign of life for the longest silence. */
  readonly silent: Promise<string>
  /** It is over: nothing more is shown of it. */
  end(): void
}

export interface Progress {
  /**
   * @param show shows a line in place of the one before, every second. Without it lines go to the console one below the
   *   other: at most one in 5 s, at least one in 15 s, and one for all that wait for the same step
   */
  begin(title: string, show?: (line: string) => void): StepProgress
}

export interface ProgressOptions {
  /** Default 5 minutes. */
  readonly longestSilenceMs?: number
  /** Default: the console. */
  readonly print?: (line: string) => void
}

const LONGEST_SILENCE_MS = 300_000
const TICK_MS = 1_000
const AT_MOST_EVERY_MS = 5_000
const AT_LEAST_EVERY_MS = 15_000

interface Step {
  readonly title: string
  readonly began: number
  readonly show?: ((line: string) => void) | undefined
  readonly silent: PromiseWithResolvers<string>
  line: string
  log?: string
  /** The title of another step. */
  waitsFor?: string
  livedAt: number
  /** The line that was printed last. */
  shown: string
  shownAt: number
  silence?: string
}

/** Shows all steps that are under way, by one timer, which keeps no process alive. */
export function createProgress(options: ProgressOptions = {}): Progress {
  const { longestSilenceMs = LONGEST_SILENCE_MS, print = (line: string) => console.log(line) } = options
  const steps = new Set<Step>()
  let waitsShownAt = performance.now()
  setInterval(tick, TICK_MS).unref()

  function tick() {
    const now = performance.now()
    for (const step of steps) {
      noticeSilence(step, now)
      if (step.show !== undefined) step.show(inFull(step, now))
      else if (step.waitsFor === undefined) printWhenDue(step, now)
    }
    if (now - waitsShownAt >= AT_LEAST_EVERY_MS) printWaits(now)
  }

  function noticeSilence(step: Step, now: number) {
    if (step.waitsFor !== undefined || now - step.livedAt < longestSilenceMs) return
    step.silence = `no sign of life for ${duration(longestSilenceMs)}${step.log === undefined ? '' : `: see ${step.log}`}`
    step.silent.resolve(step.silence)
  }

  function printWhenDue(step: Step, now: number) {
    const due = now - step.shownAt >= (step.line === step.shown ? AT_LEAST_EVERY_MS : AT_MOST_EVERY_MS)
    if (!due) return
    step.shown = step.line
    step.shownAt = now
    print(`${step.title}: ${inFull(step, now)}`)
  }

  function printWaits(now: number) {
    waitsShownAt = now
    const waiting = [...steps].filter(({ show, waitsFor }) => show === undefined && waitsFor !== undefined)
    for (const [other, group] of Map.groupBy(waiting, ({ waitsFor }) => waitsFor)) {
      const longest = Math.max(...group.map(({ began }) => now - began))
      print(`${group.map(({ title }) => title).join(', ')}: waiting for ${other}, ${duration(longest)}`)
    }
  }

  return {
    begin(title, show) {
      const now = performance.now()
      const silent = Promise.withResolvers<string>()
      const step: Step = { title, show, silent, began: now, livedAt: now, line: 'starting', shown: '', shownAt: now }
      steps.add(step)
      return {
        report(line, log) {
          Object.assign(step, { line, log, waitsFor: undefined, livedAt: performance.now(), silence: undefined })
        },
        waitFor(other) {
          Object.assign(step, { line: `waiting for ${other}`, waitsFor: other })
        },
        silent: silent.promise,
        end: () => void steps.delete(step),
      }
    },
  }
}

function inFull({ line, began, silence }: Step, now: number): string {
  return [line, duration(now - began), silence].filter(Boolean).join(', ')
}

/** `95 s`, `4 min 12 s`, `5 min`. */
export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000)
  if (seconds < 120) return `${seconds} s`
  return [`${Math.floor(seconds / 60)} min`, ...(seconds % 60 > 0 ? [`${seconds % 60} s`] : [])].join(' ')
}
