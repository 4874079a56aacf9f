/** A code from start to verified, over HTTP, as the header of docker-compose.yml tells it. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { z } from 'zod'
import { interrupted } from './steps.ts'

const API = 'http://localhost:8080'
const OUTBOX = 'http://localhost:8082'
/** Sample members that a code can be sent to, so many that no limit is met. */
const MEMBERS = [1, 2, 3, 4, 5, 6, 10, 11, 15, 16].map((number) => String(100_000_000 + number))
const WORKS_WITHIN_MS = 300_000

const started = z.object({ challengeId: z.string() })
const verdict = z.object({ result: z.string() })
const outbox = z.array(z.object({ reference: z.string().nullable(), text: z.string() }))

export interface OpenChallenge {
  readonly challengeId: string
  readonly code: string
}

export interface Caller {
  /** Asks for a code and reads it as the member would; asks again for as long as the answer is that something is away. */
  start(): Promise<OpenChallenge>
  /** @throws where the code is not verified; asks again as `start` does */
  verify(challenge: OpenChallenge): Promise<void>
}

class Away extends Error {}

/** @param folder has the `.env` of `npm run docker-env` */
export async function createCaller(folder: string): Promise<Caller> {
  const apiKey = /API's key: (\S+)/.exec(await readFile(join(folder, '.env'), 'utf8'))?.[1]
  if (apiKey === undefined) throw new Error('.env names no key of the API')
  let turn = 0

  const post = async (path: string, body: object): Promise<unknown> => {
    const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' }
    const answer = await ask(`${API}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
    return answer.json()
  }

  return {
    async start() {
      const memberId = MEMBERS[turn++ % MEMBERS.length]!
      const { challengeId } = started.parse(
        await untilThere(() => post('/v1/challenges', { memberId, purpose: 'redeem_benefit' })),
      )
      const code = await untilThere(async () => {
        const messages = outbox.parse(await (await ask(`${OUTBOX}/messages`)).json())
        const text = messages.find(({ reference }) => reference === challengeId)?.text
        const found = text && /\d{6}/.exec(text)?.[0]
        if (!found) throw new Away('no message has come')
        return found
      })
      return { challengeId, code }
    },
    async verify({ challengeId, code }) {
      const answer = await untilThere(() => post(`/v1/challenges/${challengeId}/verify`, { code }))
      const { result } = verdict.parse(answer)
      if (result !== 'verified') throw new Error(`The code was judged ${result}`)
    },
  }
}

/** @throws {Away} where nobody answers, or only that something is away */
async function ask(url: string, init: RequestInit = {}): Promise<Response> {
  const answer = await fetch(url, { ...init, signal: AbortSignal.timeout(15_000) }).catch((error: Error) => {
    throw new Away(`${url}: ${error.cause instanceof Error ? error.cause.message : error.message}`)
  })
  if (answer.ok) return answer
  const said = `${url}: ${answer.status} ${await answer.text()}`
  // A sample member is not known before the consumer has read of it.
  throw answer.status >= 500 || said.includes('unknown_member') ? new Away(said) : new Error(said)
}

async function untilThere<T>(attempt: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + WORKS_WITHIN_MS
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof Away) || Date.now() > deadline) throw error
      await wait(200, undefined, { signal: interrupted })
    }
  }
}
