/** docker compose, of the project that is walked. */
import { setTimeout as wait } from 'node:timers/promises'
import { z } from 'zod'
import { interrupted, run } from './steps.ts'

const HEALTHY_WITHIN_MS = 300_000

const container = z.object({
  Id: z.string(),
  RestartCount: z.number(),
  State: z.object({
    Pid: z.number(),
    Status: z.string(),
    ExitCode: z.number(),
    FinishedAt: z.string(),
    Health: z.object({ Status: z.string(), Log: z.array(z.object({ Output: z.string() })).nullable() }).optional(),
  }),
  HostConfig: z.object({ ReadonlyRootfs: z.boolean(), CapDrop: z.array(z.string()).nullable() }),
})
export type Container = z.infer<typeof container>

export interface Ending {
  readonly service: string
  readonly seconds: number
  readonly exitCode: number
}

const event = z.object({
  Action: z.string(),
  timeNano: z.number(),
  Actor: z.object({ Attributes: z.record(z.string(), z.string()) }),
})

export interface Compose {
  /** `docker compose …`. @returns its standard output */
  compose(...args: string[]): Promise<string>
  /** The service's one container. */
  inspect(service: string): Promise<Container>
  /** Stops services with SIGTERM, each when the one before has ended. @returns how long each took from the signal on, and how it ended */
  stop(services: readonly string[]): Promise<Ending[]>
  /** Ends the service's container with SIGKILL, as a crash would: its restart policy counts. */
  kill(service: string): Promise<void>
  /** Resolves once the service's container has been started again and is healthy. */
  healthyAgain(service: string, before: Container): Promise<Container>
}

export function composeIn(folder: string): Compose {
  const compose = (...args: string[]) => run('docker', ['compose', ...args], { cwd: folder })

  const inspect = async (service: string) => {
    const id = (await compose('ps', '--all', '--quiet', service)).trim()
    return container.parse(JSON.parse(await run('docker', ['inspect', '--format', '{{json .}}', id])))
  }

  /** What the engine saw of the service's container since then: when it was signalled, when and how it ended. */
  const endingOf = async (service: string, since: number): Promise<Ending> => {
    const { Id } = await inspect(service)
    const span = [`--since=${since / 1_000}`, `--until=${Date.now() / 1_000}`]
    const filters = [`--filter=container=${Id}`, '--filter=event=kill', '--filter=event=die', '--format={{json .}}']
    const lines = (await run('docker', ['events', ...span, ...filters])).split('\n').filter(Boolean)
    const events = lines.map((line) => event.parse(JSON.parse(line)))
    const [signalled, died] = ['kill', 'die'].map((action) => events.find(({ Action }) => Action === action))
    if (!signalled || !died) throw new Error(`${service} was not stopped: ${lines.join(' ')}`)
    const seconds = (died.timeNano - signalled.timeNano) / 1e9
    return { service, seconds, exitCode: Number(died.Actor.Attributes['exitCode']) }
  }

  return {
    compose,
    inspect,
    async stop(services) {
      const endings: Ending[] = []
      for (const service of services) {
        const since = Date.now() - 1_000
        await compose('stop', service)
        endings.push(await endingOf(service, since))
      }
      return endings
    },
    async kill(service) {
      const { State } = await inspect(service)
      // `docker kill` would count as a stop on purpose, which nothing is restarted after.
      const program = ['--entrypoint=node', 'one-time-password', '-e', "process.kill(+process.argv[1], 'SIGKILL')"]
      const rights = ['--privileged', '--pid=host', '--user=0', '--network=none']
      await run('docker', ['run', '--rm', ...rights, ...program, String(State.Pid)])
    },
    async healthyAgain(service, before) {
      const deadline = Date.now() + HEALTHY_WITHIN_MS
      for (;;) {
        const now = await inspect(service)
        const isAnother = now.State.FinishedAt !== before.State.FinishedAt
        if (isAnother && now.State.Status === 'running' && now.State.Health?.Status === 'healthy') return now
        if (Date.now() > deadline) throw new Error(`${service} is not healthy again: ${JSON.stringify(now.State)}`)
        await wait(250, undefined, { signal: interrupted })
      }
    },
  }
}
