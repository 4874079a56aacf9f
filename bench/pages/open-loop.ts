/**
 * An open loop: requests leave when their time has come, whether or not the earlier ones are answered, as visitors do who
 * know nothing of each other. What waits for anything counts from the moment at which it should have left.
 */
import { pauseUntil } from '../loops/pause.ts'

export interface Asked {
  /** What is told apart in the figures. */
  readonly name: string
  readonly url: string
  readonly headers?: Record<string, string>
}

export interface OpenLoopOptions {
  readonly perSecond: number
  readonly runUpSeconds: number
  readonly seconds: number
  readonly next: (index: number) => Asked
}

export interface OpenLoopResult {
  /** Milliseconds until the last byte, by name; the run-up is not among them. */
  readonly times: ReadonlyMap<string, readonly number[]>
  readonly errors: readonly string[]
  /** The most that any request left after its time, in milliseconds: beyond some, the benchmark was the slow one. */
  readonly latestMs: number
}

export async function runOpenLoop({
  perSecond,
  runUpSeconds,
  seconds,
  next,
}: OpenLoopOptions): Promise<OpenLoopResult> {
  const times = new Map<string, number[]>()
  const errors: string[] = []
  const under: Promise<void>[] = []
  const began = performance.now()
  const first = runUpSeconds * perSecond
  let latestMs = 0

  async function ask({ name, url, headers = {} }: Asked, due: number, isMeasured: boolean) {
    try {
      const answer = await fetch(url, { headers, redirect: 'manual' })
      await answer.arrayBuffer()
      if (answer.status !== 200) throw new Error(`${name} was answered ${answer.status}`)
      if (isMeasured) times.set(name, [...(times.get(name) ?? []), performance.now() - due])
    } catch (error) {
      errors.push(error instanceof Error ? error.message : String(error))
    }
  }
  for (let index = 0; index < first + seconds * perSecond; index++) {
    const due = began + (index * 1_000) / perSecond
    await pauseUntil(due)
    if (index >= first) latestMs = Math.max(latestMs, performance.now() - due)
    under.push(ask(next(index), due, index >= first))
  }
  await Promise.all(under)
  return { times, errors, latestMs }
}
