/**
 * All that a rollout runs on, each part and process started again when it dies: members come through the real consumer,
 * the real worker sends to simulators that count, and outcomes leave through the real relay.
 */
import type { ProcessName } from '../../local/environment.ts'
import type { Accepted } from '../../local/simulators/outbox.ts'
import type { Part } from '../../local/stack/part.ts'
import { supervise, type Supervised } from '../../local/stack/supervise.ts'
import { connect, type Sql } from '../../postgres/connect.ts'
import { startOwnStack, type OwnStack, type PartName } from './own-stack.ts'

export const ROLLOUT_PROCESSES = ['member-consumer', 'campaign-worker', 'outbox-relay'] as const satisfies ProcessName[]
export const ROLLOUT_PARTS = ['postgres', 'temporal', 'kafka'] as const satisfies PartName[]
export type RolloutMember = (typeof ROLLOUT_PROCESSES)[number] | (typeof ROLLOUT_PARTS)[number]

/** What the providers accepted, by the sender's reference (a notice's id). */
export type Sent = ReadonlyMap<string, { readonly to: string; readonly times: number }>

export interface RolloutStack extends OwnStack {
  readonly sent: Sent
  /** For statements that take minutes. */
  readonly auditor: Sql
  readonly pids: () => Record<RolloutMember, number>
  /** SIGKILL; it is started again by itself. Resolves once it is dead, and for a part once it answers again. */
  strike(name: RolloutMember): Promise<void>
}

/** @param overrides environment of our processes */
export async function startRolloutStack(overrides: Record<string, string> = {}): Promise<RolloutStack> {
  const sent = new Map<string, { to: string; times: number }>()
  const count = ({ reference, to }: Accepted) => {
    const times = sent.get(reference ?? '')?.times ?? 0
    sent.set(reference ?? '', { to, times: times + 1 })
  }
  const stack = await startOwnStack(overrides, count)
  const supervised = new Map<RolloutMember, Supervised<Part>>()
  const starts = await Promise.allSettled(
    ROLLOUT_PROCESSES.map(async (name) => {
      const process = await supervise(
        () => stack.run(name),
        () => {},
      )
      supervised.set(name, process)
    }),
  )
  const stopAll = async () => {
    await Promise.all([...supervised.values()].map((process) => process.stop()))
    await stack.stop()
  }
  for (const start of starts) {
    if (start.status === 'rejected') {
      await stopAll()
      throw start.reason
    }
  }
  const auditor = connect(stack.env['DATABASE_URL']!, { poolSize: 1, name: 'audit', statementTimeoutMs: 600_000 })
  const pidOf = (name: RolloutMember) => supervised.get(name)?.current.pid ?? stack.part(name as PartName).pid
  return {
    ...stack,
    sent,
    auditor,
    pids: () =>
      Object.fromEntries([...ROLLOUT_PROCESSES, ...ROLLOUT_PARTS].map((name) => [name, pidOf(name)])) as Record<
        RolloutMember,
        number
      >,
    async strike(name) {
      const process = supervised.get(name)
      if (process === undefined) {
        await stack.kill(name as PartName)
        await stack.revive(name as PartName)
        return
      }
      const { current } = process
      signalGroup(current.pid)
      await current.ended
    },
    async stop() {
      await auditor.end({ timeout: 1 })
      await stopAll()
    },
  }
}

/** One that has just died by itself, since what it talks to was killed, is as dead as asked for. */
function signalGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}
