/** docker compose, of the project that is walked. */
import { setTimeout as wait } from 'node:timers/promises'
import { z } from 'zod'
import { interrupted, run } from './steps.ts'

const HEALTHY_WITHIN_MS = 120_000

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

export interface Compose {
  /** `docker compose …`. @returns its standard output */
  compose(...args: string[]): Promise<string>
  /** The service's one container. */
  inspect(service: string): Promise<Container>
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

  return {
    compose,
    inspect,
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
