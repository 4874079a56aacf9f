/**
 * `otp`: what operators do from a terminal. A client of the HTTP API, but for what has to work where that does not run.
 *
 * Exit codes: 0 done, 1 refused or failed, 2 what was typed cannot be used, 3 the API cannot be reached.
 */
import { Command, CommanderError } from '@commander-js/extra-typings'
import { ConfigError } from '../config.ts'
import { createApiClient } from './api-client.ts'
import { addCampaignCommands } from './campaign-commands.ts'
import { findEndpoint } from './endpoint.ts'
import { CliFailure, EXIT } from './failure.ts'
import { addOperatorCommands } from './operator-commands.ts'
import { addOutboxCommands } from './outbox-commands.ts'
import { addSupportCommands } from './support-commands.ts'

/** As shells have it: 128 and the number of SIGINT. */
const INTERRUPTED = 130

const stopping = new AbortController()
process.once('SIGINT', () => stopping.abort())
// Whoever reads us may have seen enough: otp … | head
process.stdout.on('error', () => process.exit(0))

const program = new Command('otp')
  .description('One-time passwords, for operators.')
  .configureHelp({ showGlobalOptions: true })
  .showHelpAfterError('(--help tells more)')
  .exitOverride()
  .addHelpText(
    'after',
    '\nThe API is that of OTP_API_URL and OTP_API_KEY, else the one that npm start runs here; setup and keys work with the\n' +
      'environment of our processes, doctor with that or with what npm start runs here.\n' +
      'Exit codes: 0 done, 1 refused or failed, 2 cannot be used as typed, 3 the API cannot be reached.',
  )
const api = async () => createApiClient(await findEndpoint())
const deps = { api, signal: stopping.signal }
addSupportCommands(program, deps)
addCampaignCommands(program, deps)
addOutboxCommands(program, deps)
addOperatorCommands(program)

try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = exitCodeOf(error)
}

function exitCodeOf(error: unknown): number {
  if (stopping.signal.aborted) return INTERRUPTED
  // It has said what is wrong, or has helped.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.usage
  if (error instanceof CliFailure) {
    console.error(error.message)
    return error.exitCode
  }
  if (error instanceof ConfigError) {
    console.error(error.message)
    return EXIT.usage
  }
  console.error(error)
  return EXIT.refused
}
