/**
 * `npm run generate`: made-up members, and what happens to them, as events of the membership system.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Presets, SingleBar } from 'cli-progress'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { LOCAL_FOLDER, type Endpoints } from '../endpoints.ts'
import { changes } from './changes.ts'
import { registrations, type GeneratedRecord } from './event.ts'
import { print, publish } from './publish.ts'

interface Options {
  readonly seed: number
  readonly from: number
  readonly brokers?: string[]
  readonly json?: true
}

const DEFAULT_SEED = 1

const program = new Command('generate')
  .description(
    'Writes made-up members to the Kafka topic member-events. The same seed makes the same members, so generating them ' +
      'again changes nothing. Their phone numbers may be somebody’s: never let real providers see them.',
  )
  .showHelpAfterError()
  .exitOverride()

/** A command, with the options that both have. */
const command = (name: string) =>
  program
    .command(name)
    .addOption(new Option('--seed <number>', 'which people').default(DEFAULT_SEED).argParser(wholeNumber))
    .addOption(new Option('--from <number>', 'the first of them, from 0').default(0).argParser(wholeNumber))
    .addOption(
      new Option('--brokers <host:port,…>', 'default: KAFKA_BROKERS, else the Kafka of a running npm start')
        .argParser((value) => value.split(','))
        .conflicts('json'),
    )
    .option('--json', 'print them instead, a record {"key", "value"} a line')

command('members')
  .description('registers members')
  .argument('<count>', 'how many', wholeNumber)
  .action((count: number, options: Options) => write(registrations(options.seed, options.from, count), count, options))

command('changes')
  .description('changes of members: phones, Family Cards, preferences, withdrawals, erasures')
  .argument('<count>', 'how many changes', wholeNumber)
  .requiredOption('--members <count>', 'of how many members, as `generate members` made them', wholeNumber)
  .action((count: number, options: Options & { members: number }) =>
    write(changes({ ...options, count }), count, options),
  )

try {
  await program.parseAsync()
} catch (error) {
  // Commander has said what is wrong already.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2
  else {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }
}

async function write(records: Iterable<GeneratedRecord>, count: number, { json, brokers }: Options) {
  if (json) {
    await print(records, process.stdout)
    return
  }
  const bar = new SingleBar(
    {
      format: '{bar} {percentage} %  {value} of {total}  {eta_formatted} left',
      etaBuffer: 100,
      stream: process.stderr,
    },
    Presets.shades_classic,
  )
  const reached = brokers ?? (await reachableBrokers())
  const began = performance.now()
  bar.start(count, 0)
  try {
    await publish(records, { brokers: reached, onProgress: (written) => bar.update(written) })
  } finally {
    bar.stop()
  }
  console.error(`${count} events in ${((performance.now() - began) / 1000).toFixed(1)} s`)
}

async function reachableBrokers(): Promise<string[]> {
  const given = process.env['KAFKA_BROKERS']
  if (given) return given.split(',')
  const endpoints = await readFile(join(LOCAL_FOLDER, 'endpoints.json'), 'utf8').catch(() => '{}')
  const { kafka } = JSON.parse(endpoints) as Partial<Endpoints>
  if (kafka === undefined) throw new Error('There is no Kafka: run npm start, or say --brokers or --json')
  return kafka.split(',')
}

function wholeNumber(value: string): number {
  const number = Number(value)
  if (Number.isInteger(number) && number >= 0 && number < 1e9) return number
  throw new InvalidArgumentError('wants a whole number')
}
