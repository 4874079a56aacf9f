/**
 * `otp campaign …` (O2, R6).
 */
import { Option, type Command } from '@commander-js/extra-typings'
import type { CampaignAnswer, CommandBody } from '../api/campaign-schemas.ts'
import type { ApiClient } from './api-client.ts'
import { parseDuration, parseQuietHours, parseRate, parseUntil, parseWaves, planOf } from './campaign-options.ts'
import { campaignList, campaignTables, memberTable, plannedTable, planWords, standingLine } from './campaign-tables.ts'
import { watchCampaign, type Watch } from './watch-campaign.ts'

export interface CommandDeps {
  /** Found when a command needs it, so that help needs none. */
  readonly api: () => Promise<ApiClient>
  /** Aborted at Ctrl-C. */
  readonly signal: AbortSignal
}

const json = () => new Option('--json', 'for scripts: the API’s answer as JSON')
const why = () => new Option('--why <text>', 'for the log and the event: no personal data').makeOptionMandatory()
const every = () => new Option('--every <duration>', 'how often to look').argParser(parseDuration).default(2_000, '2s')
const LEAST_EVERY_MS = 200

/** Adds them to `program`, whose settings they inherit. */
export function addCampaignCommands(program: Command, { api, signal }: CommandDeps): void {
  const campaign = program.command('campaign').description('the rollout of mandatory SMS')

  const watch = (id: string, { json, every, until }: { json?: true; every: number; until: Watch['until'] }) =>
    api().then((client) =>
      watchCampaign(client, {
        campaignId: id,
        asJson: json ?? false,
        everyMs: Math.max(every, LEAST_EVERY_MS),
        until,
        signal,
      }),
    )
  const print = (asJson: true | undefined, answer: object, text: () => string) =>
    console.log(asJson ? JSON.stringify(answer) : text())

  withPlan(campaign.command('plan'))
    .description('the dry run: whom each wave would take, and whom it would exclude; changes nothing')
    .action(async (campaignId, { json, ...options }) => {
      const plan = await planOf(options)
      const answer = await (await api()).plan({ campaignId, plan })
      print(json, answer, () => plannedTable(answer))
    })

  withPlan(campaign.command('start'))
    .description('starts it; the same again changes nothing')
    .option('--watch', 'follow it')
    .action(async (campaignId, { json, watch: follows, ...options }) => {
      const plan = await planOf(options)
      const client = await api()
      const answer = await client.start({ campaignId, plan })
      if (follows) return watch(campaignId, { ...(json && { json }), every: 2_000, until: 'standing' })
      const { plan: standing } = await client.show(campaignId)
      print(json, answer, () =>
        [
          standingLine(answer),
          planWords(standing),
          `Follow it: otp campaign watch ${campaignId}, or ${client.pageOf(campaignId)}`,
        ].join('\n'),
      )
    })

  campaign
    .command('watch')
    .argument('<campaign>')
    .description('follows it until all of its waves have passed, or it has ended')
    .addOption(every())
    .addOption(
      new Option('--until <what>', 'when to stop').choices(['standing', 'ended'] as const).default('standing' as const),
    )
    .addOption(new Option('--json', 'for scripts: an object a line, whenever something has changed'))
    .action(watch)

  campaign
    .command('show')
    .argument('<campaign>')
    .description('where it stands: waves, exclusions, gates, log; or where a member stands in it')
    .option('--member <memberId>', 'this member instead')
    .option('--log <entries>', 'how much of the log', Number, 10)
    .addOption(json())
    .action(async (campaignId, { member, log, json }) => {
      const client = await api()
      if (member !== undefined) {
        const answer = await client.member(campaignId, member)
        return print(json, answer, () => memberTable(answer))
      }
      const answer = await client.show(campaignId)
      print(json, answer, () => campaignTables(answer, log))
    })

  campaign
    .command('list')
    .description('all campaigns, the newest first')
    .addOption(json())
    .action(async ({ json }) => {
      const answer = await (await api()).list()
      print(json, answer, () => campaignList(answer))
    })

  const command = async (campaignId: string, body: CommandBody, asJson: true | undefined) => {
    const answer: CampaignAnswer = await (await api()).command(campaignId, body)
    print(asJson, answer, () => standingLine(answer))
  }
  const simple = (word: 'pause' | 'resume' | 'skip-bake' | 'complete', description: string) =>
    campaign
      .command(word)
      .argument('<campaign>')
      .description(description)
      .addOption(why())
      .addOption(json())
      .action((campaignId, { why, json }) => command(campaignId, { command: word, why }, json))

  simple('pause', 'nobody is sent a notice and nothing is enforced, until it is resumed')
  simple('resume', 'goes on with the same members; a wave that its gate has stopped bakes again')
  simple('skip-bake', 'passes the wave that bakes, without its gate')

  campaign
    .command('rate')
    .argument('<campaign>')
    .argument('<members-a-minute>', 'none for no limit', parseRate)
    .description('changes the rate')
    .addOption(why())
    .addOption(json())
    .action((campaignId, ratePerMinute, { why, json }) =>
      command(campaignId, { command: 'rate', ratePerMinute, why }, json),
    )

  campaign
    .command('exempt')
    .argument('<campaign>')
    .argument('<memberId>')
    .description('SMS is not mandatory for a member until a date, from the next challenge on')
    .addOption(
      new Option('--until <date>', 'a day in Tokyo, a time with its zone, or a duration from now; one past ends it')
        .argParser(parseUntil)
        .makeOptionMandatory(),
    )
    .addOption(why())
    .addOption(json())
    .action((campaignId, memberId, { until, why, json }) =>
      command(campaignId, { command: 'exempt', memberId, until, why }, json),
    )

  campaign
    .command('abort')
    .argument('<campaign>')
    .description('ends it for good; what was enforced stays')
    .option(
      '--rollback',
      'what was enforced is taken back, also of one that has ended: the members’ own choice counts again',
    )
    .addOption(why())
    .addOption(json())
    .action((campaignId, { rollback = false, why, json }) =>
      command(campaignId, { command: 'abort', rollback, why }, json),
    )

  simple('complete', 'ends it for good when all waves have passed and all dates have come; what was enforced stays')
}

/** The campaign and its plan: a file, or options. What is left out has the API's defaults. */
const withPlan = <C extends Command>(command: C) =>
  command
    .argument('<campaign>', 'its name: a-z 0-9 and hyphens')
    .addOption(
      new Option('--plan <file>', 'a plan in JSON, as plan --json shows it').conflicts([
        'waves',
        'rate',
        'bake',
        'quiet',
      ]),
    )
    .addOption(new Option('--waves <percents>', 'of all members, rising: 1,5,25,100').argParser(parseWaves))
    .addOption(new Option('--rate <members>', 'members a minute that are sent a notice').argParser(parseRate))
    .addOption(new Option('--bake <duration>', 'how long each wave is watched: 24h').argParser(parseDuration))
    .addOption(
      new Option('--quiet <hours>', 'no notices in these hours in Tokyo: 21:00-09:00').argParser(parseQuietHours),
    )
    .addOption(json())
