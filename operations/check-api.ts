/**
 * The API, where the environment names one: whether it is ready.
 */
import { wordOf, type Finding } from './finding.ts'

const part = 'api'
const ANSWER_WITHIN_MS = 5_000

export async function checkApi(url: string): Promise<Finding[]> {
  try {
    const answer = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) })
    await answer.arrayBuffer()
    if (answer.ok) return []
    return [
      {
        part,
        code: 'not_ready',
        what: `The API at ${url} is not ready (HTTP ${answer.status}).`,
        todo: 'It reaches Postgres or Temporal no more: see what is said of them here, and its log.',
      },
    ]
  } catch (error) {
    return [
      {
        part,
        code: 'unreachable',
        what: `The API at ${url} does not answer (${wordOf(error)}).`,
        todo: 'See whether it runs (npm run api), and whether OTP_API_URL names it.',
      },
    ]
  }
}
