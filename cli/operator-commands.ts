/**
 * `otp doctor`, `otp setup` and `otp keys` (O1, O2): they work with the parts themselves, in the environment of our processes;
 * the doctor also with what `npm start` runs here. What they need is loaded when one of them runs.
 */
import { styleText } from 'node:util'
import { Argument, Option, type Command } from '@commander-js/extra-typings'
import type { ConfiguredProcess } from '../config.ts'
import type { Diagnosis } from '../operations/doctor.ts'
import type { NewKey, RingName } from '../operations/new-key.ts'
import type { TemporalSetUp } from '../operations/setup-temporal.ts'
import { CliFailure, EXIT } from './failure.ts'

const json = () => new Option('--json', 'for scripts')
const PROCESSES = [
  'api',
  'challenge-worker',
  'campaign-worker',
  'member-consumer',
  'outbox-relay',
  'codec-server',
] as const satisfies ConfiguredProcess[]
const RINGS = ['master', 'codec', 'proof'] as const satisfies RingName[]

/** Adds them to `program`, whose settings they inherit. */
export function addOperatorCommands(program: Command): void {
  program
    .command('doctor')
    .description('looks at every part, and says what is wrong and what to do; changes nothing and sends nothing')
    .addOption(
      new Option('--for <processes...>', 'whose environment this is; of all processes where absent').choices(PROCESSES),
    )
    .addOption(json())
    .action(async ({ for: processes = PROCESSES, json }) => {
      // Of Node's own: kafkajs asks for a timer in the past.
      process.removeAllListeners('warning')
      const [{ diagnose }, { runningEnvironment }] = await Promise.all([
        import('../operations/doctor.ts'),
        import('../local/running-environment.ts'),
      ])
      const local = await runningEnvironment()
      if (local && !json) console.log(styleText('dim', 'The environment names no part: this is npm start, here.'))
      const diagnosis = await diagnose(local, processes)
      console.log(json ? JSON.stringify(diagnosis) : diagnosisInWords(diagnosis))
      if (diagnosis.findings.length > 0) process.exitCode = EXIT.refused
    })

  program
    .command('setup')
    .description('what a part needs before the first start; safe to repeat')
    .command('temporal')
    .description('registers the search attributes in the namespace, and the Nexus endpoint')
    .addOption(json())
    .action(async ({ json }) => {
      const { setUpTemporal } = await import('../operations/setup-temporal.ts')
      const done = await setUpTemporal().catch((error: unknown) => {
        throw new CliFailure(
          'unreachable',
          `Temporal could not be set up: ${messageOf(error)}\nnpx otp doctor says more.`,
        )
      })
      console.log(json ? JSON.stringify(done) : setUpInWords(done))
    })

  program
    .command('keys')
    .description('key rings')
    .command('rotate')
    .addArgument(new Argument('<ring>', 'which keys: OTP_MASTER_KEYS, OTP_CODEC_KEYS or OTP_PROOF_KEYS').choices(RINGS))
    .description('makes a new key, and says where to put it and in which order; shows no key that stands')
    .option('--id <id>', 'its id; the day where absent')
    .addOption(json())
    .action(async (ring, { id, json }) => {
      const [{ newKey, RINGS: rings }, { readKeyIds }] = await Promise.all([
        import('../operations/new-key.ts'),
        import('../config.ts'),
      ])
      const known = readKeyIds(rings[ring].variable)
      if (id !== undefined && !/^[A-Za-z0-9._-]{1,32}$/.test(id)) {
        throw new CliFailure('usage', 'An id has 1 to 32 of A-Z a-z 0-9 . _ -')
      }
      if (id !== undefined && known.includes(id)) {
        throw new CliFailure('usage', `${rings[ring].variable} has a key ${id} already: an id is used once.`)
      }
      const key = newKey(ring, known, id)
      console.log(json ? JSON.stringify(key) : keyInWords(key))
    })
}

function diagnosisInWords({ looked, findings }: Diagnosis): string {
  return looked
    .flatMap((part) => {
      const own = findings.filter((finding) => finding.part === part)
      if (own.length === 0) return [`${styleText('green', 'ok   ')} ${part}`]
      return own.flatMap(({ what, todo }) => [
        `${styleText('red', 'WRONG')} ${part}: ${what}`,
        `      ${styleText('dim', '→')} ${todo}`,
      ])
    })
    .join('\n')
}

function setUpInWords({ namespace, searchAttributes, nexusEndpoint }: TemporalSetUp): string {
  return [
    searchAttributes.length === 0
      ? `The namespace ${namespace} has all search attributes.`
      : `Registered in the namespace ${namespace}: ${searchAttributes.join(', ')}.`,
    `The Nexus endpoint was ${nexusEndpoint}.`,
  ].join('\n')
}

const keyInWords = ({ variable, entry, steps }: NewKey) =>
  [
    `A new key for ${variable}, a secret:`,
    '',
    `  ${entry}`,
    '',
    ...steps.map((step, index) => `${index + 1}. ${step}`),
    '',
    'After each step: npx otp doctor.',
  ].join('\n')

const messageOf = (error: unknown) => (error instanceof Error ? error.message : 'no answer')
