/**
 * `otp challenge …` and `otp member …` (O2): what support asks for when a member calls.
 */
import { Option, type Command } from '@commander-js/extra-typings'
import type { CommandDeps } from './campaign-commands.ts'
import { challengeStory, memberCard } from './support-tables.ts'

const json = () => new Option('--json', 'for scripts: the API’s answer as JSON')
const print = (asJson: true | undefined, answer: object, text: () => string) =>
  console.log(asJson ? JSON.stringify(answer) : text())

/** Adds them to `program`, whose settings they inherit. */
export function addSupportCommands(program: Command, { api }: Pick<CommandDeps, 'api'>): void {
  program
    .command('challenge')
    .description('one request that a member prove who they are')
    .command('show')
    .argument('<challengeId>')
    .description('all that happened to it, in its order; never the code')
    .addOption(json())
    .action(async (challengeId, { json }) => {
      const answer = await (await api()).timeline(challengeId)
      print(json, answer, () => challengeStory(answer))
    })

  const member = program.command('member').description('what support sees of a member, and does for them')
  member
    .command('show')
    .argument('<memberId>')
    .description('where their codes go and why, whether they are locked, and their newest challenges')
    .addOption(json())
    .action(async (memberId, { json }) => {
      const answer = await (await api()).supportedMember(memberId)
      print(json, answer, () => memberCard(answer))
    })
  member
    .command('unlock')
    .argument('<memberId>')
    .description('gives a member their attempts back')
    .addOption(new Option('--why <text>', 'for the record').makeOptionMandatory())
    .addOption(json())
    .action(async (memberId, { why, json }) => {
      const answer = await (await api()).unlock(memberId, { why })
      print(json, answer, () =>
        answer.isUnlocked
          ? `${memberId} is unlocked.`
          : `${memberId} was not locked, and no wrong code was counted: nothing was changed.`,
      )
    })
}
