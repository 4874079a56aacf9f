/**
 * Steps that run side by side, each after those that it needs. One that fails or is late takes nothing from the others: they go
 * on to their end, and so does it, where it can.
 */
import { Listr, PRESET_TIMER } from 'listr2'
import type { ListrTask } from 'listr2'
import { createProgress, type ProgressOptions, type Report } from './progress.ts'

export interface Step {
  readonly title: string
  /** Titles of the steps that it runs after. */
  readonly needs: readonly string[]
  /**
   * Resolves when what it brings is there. What it throws is final; a failure after which it goes on trying it tells by
   * `failed`.
   */
  readonly bring: (context: StepContext) => Promise<void>
}

export interface StepContext {
  readonly report: Report
  /** It has failed, and is tried again: from here on nobody waits for it. */
  readonly failed: (error: unknown) => void
}

/** How a step stands. */
export interface Standing {
  readonly title: string
  /** How long it took, in milliseconds, without the time that it waited for others; once it is there. */
  readonly tookMs?: number
  /** Why it is not there, in words. */
  readonly problem?: string
  /** The step that it needs and that is not there. */
  readonly missing?: string
}

export interface RunOptions extends ProgressOptions {
  /** Told of a step that comes when it is no longer waited for. */
  readonly onLate: (title: string) => void
  /** All is being stopped: what fails from here on is no news. */
  readonly signal: AbortSignal
}

interface Running {
  standing: Standing
  /** True once it is there, false when it never will be. */
  readonly there: PromiseWithResolvers<boolean>
  /** Resolves when it is there, has failed, or has given no sign of life for long: nobody needs to wait for it any more. */
  readonly settled: PromiseWithResolvers<Standing>
}

/**
 * Runs the steps, with progress on the console.
 *
 * @returns when none is waited for any more, how each stands; it changes as late ones come
 */
export async function runSteps(steps: readonly Step[], options: RunOptions): Promise<() => readonly Standing[]> {
  const progress = createProgress(options)
  const running = new Map(
    steps.map(({ title }): [string, Running] => [
      title,
      {
        standing: { title },
        there: Promise.withResolvers(),
        settled: Promise.withResolvers(),
      },
    ]),
  )
  const tasks = steps.map((step): ListrTask => {
    const self = running.get(step.title)!
    return {
      title: step.title,
      async task(_, task) {
        const show = process.stdout.isTTY ? (line: string) => void (task.output = line) : undefined
        void run(step, self, show)
        const { problem, missing } = await self.settled.promise
        if (missing !== undefined) task.skip(`${step.title}: not without ${missing}`)
        if (problem !== undefined) throw new Error(problem)
      },
    }
  })

  async function run({ title, needs, bring }: Step, self: Running, show: ((line: string) => void) | undefined) {
    const shown = progress.begin(title, show)
    let isSettled = false
    const settle = (standing: Omit<Standing, 'title'>) => {
      self.standing = { title, ...standing }
      isSettled = true
      shown.end()
      self.settled.resolve(self.standing)
    }
    const failed = (error: unknown) => {
      if (!isSettled && !options.signal.aborted)
        settle({ problem: error instanceof Error ? error.message : String(error) })
    }
    void shown.silent.then((silence) => failed(`${silence}; it is waited for`))

    for (const need of needs) {
      const { settled } = running.get(need)!
      void settled.promise.then(({ tookMs }) => tookMs === undefined && !isSettled && settle({ missing: need }))
    }
    for (const need of needs) {
      shown.waitFor(need)
      if (await running.get(need)!.there.promise) continue
      self.there.resolve(false)
      return
    }
    const began = performance.now()
    shown.report('starting')
    try {
      await bring({ report: shown.report, failed })
    } catch (error) {
      failed(error)
      self.there.resolve(false)
      return
    }
    const isLate = isSettled
    settle({ tookMs: performance.now() - began })
    self.there.resolve(true)
    if (isLate) options.onLate(title)
  }

  await new Listr(tasks, {
    concurrent: true,
    exitOnError: false,
    rendererOptions: { timer: PRESET_TIMER, collapseErrors: false },
    fallbackRendererOptions: { timer: PRESET_TIMER },
  }).run()
  return () => [...running.values()].map(({ standing }) => standing)
}
