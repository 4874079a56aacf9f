/**
 * The providers: whether they let us in, asked by requests that send nothing.
 *
 * SendGrid tells the scopes of a key (`GET /v3/scopes`). Vonage's Messages API has nothing to read: a message without any
 * field is refused as such (422) once the application is let in, and with 401 before.
 */
import type { Config } from '../config.ts'
import { vonageAuthorization } from '../providers/vonage.ts'
import { clockFinding, wordOf, type Finding, type Part } from './finding.ts'

const ANSWER_WITHIN_MS = 5_000
const CLOCK_GRANULARITY_MS = 1_000
const MAIL_SEND = 'mail.send'

type Providers = Config<'providers'>['providers']

export async function checkSendGrid({ sendgrid }: Providers): Promise<Finding[]> {
  const part = 'sendgrid'
  const authorization = `Bearer ${sendgrid.apiKey}`
  return ask(part, `${sendgrid.baseUrl}/v3/scopes`, { headers: { authorization } }, async (answer) => {
    if (answer.status === 401 || answer.status === 403) {
      return [
        keyWrong(
          part,
          'SendGrid does not know the key of SENDGRID_API_KEY.',
          'Create one there, with the scope mail.send.',
        ),
      ]
    }
    if (!answer.ok) return [unwell(part, answer.status)]
    const { scopes = [] } = (await answer.json()) as { scopes?: string[] }
    if (scopes.includes(MAIL_SEND)) return []
    return [
      keyWrong(
        part,
        `The key of SENDGRID_API_KEY lacks the scope ${MAIL_SEND}.`,
        'Give it that scope, or create another.',
      ),
    ]
  })
}

export async function checkVonage({ vonage }: Providers): Promise<Finding[]> {
  const part = 'vonage'
  let authorization: string
  try {
    authorization = await vonageAuthorization(vonage)
  } catch {
    return [keyWrong(part, 'VONAGE_PRIVATE_KEY is no RSA key.', "Set it to the application's private key, in PEM.")]
  }
  const request = {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body: '{}',
  }
  return ask(part, `${vonage.baseUrl}/v1/messages`, request, async (answer) => {
    if (answer.status === 422 || answer.status === 400) return []
    if (answer.status === 401 || answer.status === 403) {
      const todo =
        'See that VONAGE_PRIVATE_KEY belongs to VONAGE_APPLICATION_ID, and that the application may use Messages.'
      return [keyWrong(part, 'Vonage does not let this application in.', todo)]
    }
    return [unwell(part, answer.status)]
  })
}

async function ask(
  part: Part,
  url: string,
  request: RequestInit,
  judge: (answer: Response) => Promise<Finding[]>,
): Promise<Finding[]> {
  try {
    const asked = Date.now()
    const answer = await fetch(url, { ...request, redirect: 'error', signal: AbortSignal.timeout(ANSWER_WITHIN_MS) })
    const answered = Date.now()
    const theirs = Date.parse(answer.headers.get('date') ?? '')
    const clock = Number.isNaN(theirs)
      ? []
      : clockFinding(part, part, { theirs, asked, answered, granularityMs: CLOCK_GRANULARITY_MS })
    return [...clock, ...(await judge(answer))]
  } catch (error) {
    return [
      {
        part,
        code: 'unreachable',
        what: `There is no answer from ${new URL(url).origin} (${wordOf(error)}).`,
        todo: 'See whether this machine may reach it, and whether its base URL is right.',
      },
    ]
  }
}

const keyWrong = (part: Part, what: string, todo: string): Finding => ({ part, code: 'key_wrong', what, todo })

const unwell = (part: Part, status: number): Finding => ({
  part,
  code: 'unwell',
  what: `The provider answers ${status} to a request that should be right.`,
  todo: 'See its status page, and the account.',
})
