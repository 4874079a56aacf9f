/**
 * Q1: what long steps say on the console while they run: what, for how long, and what they wait for.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createProgress, duration } from '../local/progress.ts'

let printed: string[]
const print = (line: string) => void printed.push(line)

beforeEach(() => {
  vi.useFakeTimers()
  printed = []
})
afterEach(() => vi.useRealTimers())

describe('on a console that keeps its lines', () => {
  it('prints at most one line in 5 s of a step that goes on', () => {
    const step = createProgress({ print }).begin('Temporal')
    for (let number = 1; number <= 20; number += 1) {
      step.report(`building with Go, step ${number}`)
      vi.advanceTimersByTime(1_000)
    }
    expect(printed).toEqual([5, 10, 15, 20].map((at) => `Temporal: building with Go, step ${at}, ${at} s`))
  })

  it('prints at least one in 15 s, also where nothing changes', () => {
    createProgress({ print }).begin('Kafka').report('started, not ready yet')
    vi.advanceTimersByTime(150_000)
    expect(printed).toHaveLength(10)
    expect(printed.at(-1)).toBe('Kafka: started, not ready yet, 2 min 20 s')
  })

  it('prints one line for all that wait for the same step', () => {
    const progress = createProgress({ print })
    for (const title of ['api', 'bank']) progress.begin(title).waitFor('Temporal')
    progress.begin('relay').waitFor('Kafka')
    vi.advanceTimersByTime(15_000)
    expect(printed).toEqual(['api, bank: waiting for Temporal, 15 s', 'relay: waiting for Kafka, 15 s'])
  })

  it('prints nothing of a step that is over', () => {
    createProgress({ print }).begin('Kafka').end()
    vi.advanceTimersByTime(60_000)
    expect(printed).toEqual([])
  })
})

it('replaces the line every second where it can be replaced', () => {
  const lines: string[] = []
  createProgress({ print })
    .begin('Kafka', (line) => void lines.push(line))
    .report('formatting')
  vi.advanceTimersByTime(3_000)
  expect(lines).toEqual(['formatting, 1 s', 'formatting, 2 s', 'formatting, 3 s'])
  expect(printed).toEqual([])
})

describe('a long silence', () => {
  it('is said after 5 minutes, with the log to look at', async () => {
    const step = createProgress({ print }).begin('Temporal')
    step.report('building', '/logs/build.log')
    vi.advanceTimersByTime(299_000)
    expect(printed.join()).not.toContain('no sign of life')
    vi.advanceTimersByTime(16_000)
    expect(printed.at(-1)).toMatch(
      /^Temporal: building, 5 min \d+ s, no sign of life for 5 min: see \/logs\/build\.log$/,
    )
    expect(await step.silent).toBe('no sign of life for 5 min: see /logs/build.log')
  })

  it('is over with the next sign of life', () => {
    const step = createProgress({ print }).begin('Temporal')
    vi.advanceTimersByTime(310_000)
    step.report('building')
    vi.advanceTimersByTime(15_000)
    expect(printed.at(-1)).toMatch(/^Temporal: building, 5 min \d+ s$/)
  })

  it('is none where the step waits for another', () => {
    createProgress({ print }).begin('api').waitFor('Postgres')
    vi.advanceTimersByTime(600_000)
    expect(printed.join()).not.toContain('no sign of life')
  })
})

it('says a time as people do', () => {
  expect([0, 95_000, 119_400, 252_000, 300_000].map(duration)).toEqual(['0 s', '95 s', '119 s', '4 min 12 s', '5 min'])
})
