/**
 * `otp outbox …` (U4).
 */
import { setTimeout as wait } from 'node:timers/promises'
import { InvalidArgumentError, Option, type Command } from '@commander-js/extra-typings'
import type { EventReplayAnswer } from '../api/event-replay-routes.ts'
import { parseDuration } from './campaign-options.ts'
import { count, tokyo } from './campaign-tables.ts'
import type { CommandDeps } from './campaign-commands.ts'

const LOOK_EVERY_MS = 500

/** Adds them to `program`, whose settings they inherit. */
export function addOutboxCommands(program: Command, { api, signal }: CommandDeps): void {
  const outbox = program.command('outbox').description('what goes out on the topic otp-events')

  outbox
    .command('replay')
    .description('sends events again that were sent, under the same ids, in the order of each member')
    .addOption(
      new Option('--from <time>', 'what occurred then or later: a time with its zone, or how long ago, such as 6h')
        .argParser(parsePast)
        .makeOptionMandatory(),
    )
    .addOption(new Option('--to <time>', 'and before that').argParser(parsePast))
    .option('--member <memberId>', 'of this member only')
    .option('--json', 'for scripts: the API’s answer as JSON')
    .action(async ({ from, to, member, json }) => {
      const client = await api()
      const asked = await client.replayEvents({
        from,
        ...(to !== undefined && { to }),
        ...(member !== undefined && { memberId: member }),
      })
      if (asked.doneAt === undefined) console.error('Waiting for the outbox relay to put them back …')
      const done = await untilDone(asked)
      console.log(json ? JSON.stringify(done) : inWords(done))

      async function untilDone(replay: EventReplayAnswer): Promise<EventReplayAnswer> {
        if (replay.doneAt !== undefined) return replay
        await wait(LOOK_EVERY_MS, undefined, { signal })
        return untilDone(await client.replay(replay.replayId))
      }
    })
}

/** A moment with its zone, or how long ago. @returns ISO 8601 */
function parsePast(text: string): string {
  const at = /T.*(?:Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(at)) return new Date(at).toISOString()
  try {
    return new Date(Date.now() - parseDuration(text)).toISOString()
  } catch {
    throw new InvalidArgumentError('Wants a time such as 2026-11-01T00:00:00Z, or how long ago, such as 6h.')
  }
}

const inWords = ({ events = 0, from, to, memberId }: EventReplayAnswer) =>
  [
    `${count(events)} events go out again: ${memberId === undefined ? 'of all' : `of ${memberId}`},`,
    `from ${tokyo(from)}${to === undefined ? '' : ` to ${tokyo(to)}`} in Tokyo.`,
    ...(events === 0 ? ['None is kept of that time: see OTP_OUTBOX_DAYS.'] : []),
  ].join(' ')
