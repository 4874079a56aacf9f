/**
 * How a caller learns that the code was handed over, without polling: Postgres notifies (LISTEN), one connection a
 * process, whatever the number of those who wait.
 */
import { readChallenge, type Challenge } from '../postgres/challenges.ts'
import type { Sql } from '../postgres/connect.ts'

type Notice = Pick<Challenge, 'challengeId' | 'channel' | 'sentAt' | 'expiresAt' | 'outcome' | 'reason' | 'advice'>

export interface SentWaiter {
  /**
   * Waits until a provider has taken the code, or the challenge is closed. Begin before its workflow starts: then no
   * notification is missed. Where that cannot be (another process may have started it), look every `lookEveryMs` too.
   *
   * @returns the challenge as it stands then, or after `timeoutMs`
   */
  wait(challenge: Challenge, options: { timeoutMs: number; lookEveryMs?: number }): Promise<Challenge>
}

const isDecided = ({ sentAt, outcome }: Pick<Challenge, 'sentAt' | 'outcome'>) => sentAt !== null || outcome !== null

/** Listens from now on, and again by itself after each lost connection, until the pool ends. */
export function createSentWaiter(sql: Sql): SentWaiter {
  const waiting = new Map<string, Set<(notice: Notice | undefined) => void>>()

  const onNotice = (payload: string) => {
    const notice = JSON.parse(payload) as Notice
    for (const wake of waiting.get(notice.challengeId) ?? []) wake(notice)
  }
  // Called again after each lost connection: what was missed meanwhile is read.
  const onListening = () => {
    for (const wakes of waiting.values()) for (const wake of wakes) wake(undefined)
  }
  // Where Postgres is away now, postgres.js listens as soon as it is there.
  void sql.listen('challenge_changed', onNotice, onListening).catch(() => {})

  const nextNotice = (challengeId: string, timeoutMs: number) =>
    new Promise<Notice | undefined>((resolve) => {
      const wakes = waiting.get(challengeId) ?? new Set()
      waiting.set(challengeId, wakes)
      const wake = (notice: Notice | undefined) => {
        clearTimeout(timer)
        wakes.delete(wake)
        if (wakes.size === 0) waiting.delete(challengeId)
        resolve(notice)
      }
      const timer = setTimeout(wake, timeoutMs, undefined)
      wakes.add(wake)
    })

  const wait: SentWaiter['wait'] = async (challenge, { timeoutMs, lookEveryMs = timeoutMs }) => {
    const deadline = Date.now() + timeoutMs
    let standing = challenge
    while (!isDecided(standing) && Date.now() < deadline) {
      const notice = await nextNotice(challenge.challengeId, Math.min(lookEveryMs, deadline - Date.now()))
      standing = notice ? { ...standing, ...notice } : ((await readChallenge(sql, challenge.challengeId)) ?? standing)
    }
    return standing
  }
  return { wait }
}
