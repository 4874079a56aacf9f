import { parseArgs } from 'node:util'
import { LOOP_NAMES, type LoopName } from './loops/loop.ts'

export interface BenchOptions {
  /** How often each loop is measured at each level; the loops take turns, so that drift hits all alike. */
  readonly rounds: number
  /** How long one measurement lasts, after its run-up. */
  readonly seconds: number
  /** How many members ask at once. */
  readonly levels: readonly number[]
  readonly loops: readonly LoopName[]
  /** How many receipts of each provider are posted; 0 for none. */
  readonly receipts: number
  /** Where the figures are written as JSON. */
  readonly json?: string
  /** A folder for the CPU profiles of our Node processes. Profiling slows them. */
  readonly profile?: string
}

export const USAGE = `npm run bench -- [--rounds 3] [--seconds 6] [--at 1,8,32] [--loops ${LOOP_NAMES.join(',')}]
                 [--receipts 10000] [--json FILE] [--profile FOLDER]`

/** @throws {Error} in words for the console, for what cannot be used */
export function readOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '6' },
      at: { type: 'string', default: '1,8,32' },
      loops: { type: 'string', default: LOOP_NAMES.join(',') },
      receipts: { type: 'string', default: '10000' },
      json: { type: 'string' },
      profile: { type: 'string' },
    },
  })
  return {
    rounds: wholeNumber('--rounds', values.rounds, 100),
    seconds: wholeNumber('--seconds', values.seconds, 3_600),
    levels: values.at.split(',').map((level) => wholeNumber('--at', level, 256)),
    loops: values.loops.split(',').map(loopName),
    receipts: values.receipts === '0' ? 0 : receiptCount(values.receipts),
    ...(values.json !== undefined && { json: values.json }),
    ...(values.profile !== undefined && { profile: values.profile }),
  }
}

/** More than the 1,600 of the run-up, and no more than there are members for. */
function receiptCount(value: string): number {
  const count = wholeNumber('--receipts', value, 20_000)
  if (count >= 2_000) return count
  throw new Error('--receipts wants 0, or a whole number from 2000 to 20000')
}

/** @throws {Error} in words for the console */
export function wholeNumber(option: string, value: string, most: number): number {
  const number = Number(value)
  if (Number.isInteger(number) && number >= 1 && number <= most) return number
  throw new Error(`${option} wants a whole number from 1 to ${most}`)
}

function loopName(value: string): LoopName {
  const name = LOOP_NAMES.find((candidate) => candidate === value)
  if (name) return name
  throw new Error(`--loops wants some of ${LOOP_NAMES.join(',')}`)
}
