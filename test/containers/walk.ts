/**
 * `node walk.ts FOLDER [--apart] [--stand-ins]`: walks the docker-compose.yml of a copy of the project that has its image and `.env`, beside the ports
 * that it publishes. With `--apart` in a network that has no name server: this is one, which knows no name, as most know no service.
 * With `--stand-ins` on images of which Grafana's and Jaeger's are missing.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { z } from 'zod'
import { createCaller, type Caller } from './challenge.ts'
import { composeIn, type Compose } from './compose.ts'
import { NAME_SERVER } from './engine.ts'
import { interrupted, note, run, secondsSince, step } from './steps.ts'

const OWN = ['api', 'challenge-worker', 'campaign-worker', 'member-consumer', 'outbox-relay', 'codec-server']
const KILLED = [...OWN, 'simulators', 'postgres', 'kafka', 'temporal']
const ENDS_WITHIN_S = 5
const TARGETS_WITHIN_MS = 300_000

const targets = z.object({
  data: z.object({
    activeTargets: z.array(z.object({ labels: z.object({ instance: z.string() }), health: z.string() })),
  }),
})

const { values, positionals } = parseArgs({
  options: { apart: { type: 'boolean' }, 'stand-ins': { type: 'boolean' } },
  allowPositionals: true,
})
const [folder] = positionals
if (folder === undefined) throw new Error('Say which folder: node walk.ts FOLDER')
// A stack that runs on this machine already is another.
process.env['COMPOSE_PROJECT_NAME'] = 'one-time-password-walk'
const anonymousBefore = await run('docker', ['volume', 'ls', '--filter=label=com.docker.volume.anonymous', '--quiet'])
const docker = composeIn(folder)
try {
  if (values.apart) await knowNoName()
  await walk(docker, await createCaller(folder))
} catch (error) {
  await tellState()
  console.error(`\n${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
} finally {
  // What is apart goes with its engine.
  const down = ['compose', '--profile=monitoring', 'down', '--volumes']
  if (!values.apart) await run('docker', down, { cwd: folder, always: true })
}
process.exit()

async function walk(docker: Compose, caller: Caller) {
  await step('docker compose up --wait', () => docker.compose('up', '--wait'))
  await step('a code, from start to verified', async () => caller.verify(await caller.start()))
  const open = await step('a challenge is left open, and down', async () => {
    const challenge = await caller.start()
    await docker.compose('down')
    await expectNoVolumesLeft()
    return challenge
  })
  await step('up --wait again', () => docker.compose('up', '--wait'))
  await step('the code of before is verified', () => caller.verify(open))
  await step('SIGTERM to each of our processes', () => terminateEach(docker))
  await step('none can write to its files or has capabilities', () => expectReadOnly(docker))
  const kills = new Table({
    head: ['killed', 'healthy after', 'restarts', 'a code verified after'],
    style: { head: [], border: [] },
  })
  for (const service of KILLED) {
    kills.push(await step(`kill -9 of ${service}`, () => killOne(docker, caller, service)))
  }
  await step('Prometheus finds all that it asks', () => expectTargets(docker))
  if (values['stand-ins']) note('Grafana and Jaeger are not walked: nothing stands in for them.')
  await step('no warning in the logs', () => expectNoWarnings(docker))
  await step('down', () => docker.compose('--profile=monitoring', 'down', '--volumes'))
  console.log(kills.toString())
}

async function terminateEach(docker: Compose) {
  const services = [...OWN, 'simulators']
  for (const { service, seconds, exitCode } of await docker.stop(services)) {
    note(`${service} ended after ${seconds.toFixed(1)} s with exit code ${exitCode}`)
    if (exitCode !== 0 || seconds > ENDS_WITHIN_S) throw new Error(`${service} does not end well at SIGTERM`)
  }
  await docker.compose('up', '--wait')
}

async function killOne(docker: Compose, caller: Caller, service: string) {
  const before = await docker.inspect(service)
  await docker.kill(service)
  const after = await docker.healthyAgain(service, before)
  const died = Date.parse(after.State.FinishedAt)
  const healthy = secondsSince(died)
  await caller.verify(await caller.start())
  const verified = secondsSince(died)
  note(`healthy after ${healthy} s, a code verified after ${verified} s`)
  return [service, `${healthy} s`, String(after.RestartCount - before.RestartCount), `${verified} s`]
}

async function expectReadOnly(docker: Compose) {
  for (const service of [...OWN, 'simulators']) {
    const { HostConfig } = await docker.inspect(service)
    if (!HostConfig.ReadonlyRootfs || !HostConfig.CapDrop?.includes('ALL'))
      throw new Error(`${service} is not confined`)
  }
  const writes = "try { fs.writeFileSync('/app/written', '') } catch (error) { process.stdout.write(error.code) }"
  const said = await docker.compose('exec', '-T', '--user=0', 'api', 'node', '-e', writes)
  if (said !== 'EROFS') throw new Error(`The API's container can be written to (${said})`)
}

async function expectNoVolumesLeft() {
  const filter = ['--filter=label=com.docker.compose.project=one-time-password-walk', '--format={{.Name}}']
  const named = (await run('docker', ['volume', 'ls', ...filter])).split('\n').filter(Boolean)
  const anonymous = await run('docker', ['volume', 'ls', '--filter=label=com.docker.volume.anonymous', '--quiet'])
  note(`volumes that stay: ${named.join(', ')}`)
  if (anonymous !== anonymousBefore) throw new Error(`down left volumes without a name:\n${anonymous}`)
}

async function expectTargets(docker: Compose) {
  const services = values['stand-ins'] ? ['prometheus'] : ['prometheus', 'grafana', 'traces']
  await docker.compose('--profile=monitoring', 'up', '--wait', '--no-deps', ...services)
  const deadline = Date.now() + TARGETS_WITHIN_MS
  for (;;) {
    const answer = await fetch('http://localhost:9090/api/v1/targets')
    const { activeTargets } = targets.parse(await answer.json()).data
    const down = activeTargets.filter(({ health }) => health !== 'up').map(({ labels }) => labels.instance)
    if (activeTargets.length > 0 && down.length === 0) return note(`${activeTargets.length} targets are up`)
    if (Date.now() > deadline) throw new Error(`Prometheus does not find ${down.join(', ')}`)
    await wait(1_000, undefined, { signal: interrupted })
  }
}

/** What Node and the libraries complain of, in processes that nobody reads the output of. */
async function expectNoWarnings(docker: Compose) {
  const logs = await docker.compose('logs', '--no-color', ...OWN, 'simulators', 'migrate', 'sample-members')
  const warnings = logs.split('\n').filter((line) => /\(node:\d+\)|KafkaJSv2/.test(line))
  if (warnings.length > 0) throw new Error(`Warnings in the logs:\n${warnings.join('\n')}`)
}

/** Answers every question that there is no such name. */
async function knowNoName() {
  const server = createSocket('udp4', (question, { port, address }) => {
    const answer = Buffer.from(question)
    // A response to this question, recursion available, NXDOMAIN (RFC 1035, 4.1.1).
    answer.writeUInt16BE(0x81_83, 2)
    server.send(answer, port, address)
  })
  // To this address alone: bound to all, it would answer from another than was asked.
  server.bind(53, NAME_SERVER)
  await once(server, 'listening')
}

async function tellState() {
  const of = (...args: string[]) => run('docker', ['compose', ...args], { cwd: folder!, always: true }).catch(String)
  console.error(await of('ps', '--all', '--format={{.Service}}: {{.Status}}'))
  await of('logs', '--no-color', '--timestamps')
}
