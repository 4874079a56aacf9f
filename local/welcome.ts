import type { Endpoints } from './endpoints.ts'

/** What to open and what to try, for someone who has never seen the system. */
export function welcome(endpoints: Endpoints, problems: readonly string[]): string {
  const { bank, api, apiKey, outbox, temporalUi, sampleMembers, kafka } = endpoints
  const memberId = sampleMembers['sms'] ?? '<memberId>'
  const lines = [
    '',
    'Ready. Open this, log in as one of the members, and redeem an award:',
    '',
    `  Mileage bank  ${bank}`,
    outbox &&
      `  Outbox        ${outbox}   where the one-time passwords arrive, as SendGrid and Vonage would deliver them`,
    '',
    'Behind it:',
    '',
    `  API           ${api}/docs`,
    `  Campaigns     ${api}/campaigns   any user name, the API key as password`,
    temporalUi && `  Temporal UI   ${temporalUi}`,
    kafka && `  Kafka         ${kafka}`,
    '  Everything    .local/endpoints.json, logs in .local/logs',
    '',
    'Without the bank, ask for a one-time password, and read it in the outbox:',
    '',
    `  curl -sX POST ${api}/v1/challenges -H 'authorization: Bearer ${apiKey}' -H 'content-type: application/json' \\`,
    `    -d '{"memberId":"${memberId}","purpose":"view_membership"}'`,
    '',
    'Then verify it, with the challengeId of that answer:',
    '',
    `  curl -sX POST ${api}/v1/challenges/<challengeId>/verify -H 'authorization: Bearer ${apiKey}' \\`,
    `    -H 'content-type: application/json' -d '{"code":"<code>"}'`,
    '',
    `Sample members: ${
      Object.entries(sampleMembers)
        .map(([kind, id]) => `${kind} ${id}`)
        .join(', ') || 'none'
    }`,
    ...problems.map((problem) => `\nWithout: ${problem}`),
    '',
    'Ctrl-C ends everything; the data stays. npm run reset begins anew.',
  ]
  return lines.filter((line) => line !== undefined).join('\n')
}
