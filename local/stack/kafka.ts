import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Kafka, logLevel } from 'kafkajs'
import { MEMBER_EVENTS, MEMBER_EVENTS_DEAD_LETTERS, OTP_EVENTS } from '../../kafka/topics.ts'
import { PartUnavailable } from './errors.ts'
import { findJars } from './jars.ts'
import type { Part, PartOptions } from './part.ts'
import { freePort } from './ports.ts'
import { startProgram, whenReady } from './program.ts'

const JARS = {
  name: 'Kafka',
  artifact: 'org.apache.kafka:kafka_2.13:4.1.1',
  instead: 'set KAFKA_BROKERS to a Kafka that runs already',
}
const JAVA = 17
/** Kafka's own default for a record batch. */
const MESSAGE_BYTES = 1_048_588
/** M3: a member event at that limit still fits, with the headers that say why it was refused. */
const DEAD_LETTER_BYTES = MESSAGE_BYTES + 65_536

/**
 * Starts Apache Kafka (KRaft, one node) with its data in `folder`, and creates our topics where they are missing.
 *
 * @returns with `broker`, `host:port`
 */
export async function startKafka(options: PartOptions): Promise<Part & { readonly broker: string }> {
  const { folder, port, guard, env, report } = options
  const logFile = join(folder, 'kafka.log')
  const properties = join(folder, 'server.properties')
  await mkdir(folder, { recursive: true })
  const java = await findJava(options)
  const classPath = join(await findJars(JARS, options), '*')
  await writeFile(properties, serverProperties(folder, port, await freePort()))
  await format({ folder, properties, java, classPath, env, report })
  const program = await startProgram({
    name: 'Kafka',
    command: java,
    // The first compiler alone and the plain collector: a start costs half the CPU, and one machine's load is small.
    args: ['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-cp', classPath, 'kafka.Kafka', properties],
    env,
    logFile,
    pidFile: join(folder, 'pid'),
    guard,
  })
  const broker = `127.0.0.1:${port}`
  await whenReady(program, { name: 'Kafka', logFile, report, attempt: (withinMs) => createTopics(broker, withinMs) })
  return { ...program, broker }
}

function serverProperties(folder: string, port: number, controllerPort: number) {
  return `
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}
advertised.listeners=PLAINTEXT://127.0.0.1:${port}
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:${controllerPort}
log.dirs=${join(folder, 'data').replaceAll('\\', '/')}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
message.max.bytes=${MESSAGE_BYTES}
replica.fetch.max.bytes=${DEAD_LETTER_BYTES}
`
}

async function format(options: {
  folder: string
  properties: string
  java: string
  classPath: string
  env: NodeJS.ProcessEnv
  report: (line: string) => void
}) {
  const { folder, properties, java, classPath, env, report } = options
  if (existsSync(join(folder, 'data', 'meta.properties'))) return
  report('formatting its data folder')
  await promisify(execFile)(
    java,
    [
      '-cp',
      classPath,
      'kafka.tools.StorageTool',
      'format',
      // 16 bytes in base64url; behind `=`, since it may begin with a hyphen.
      `--cluster-id=${randomBytes(16).toString('base64url')}`,
      '--config',
      properties,
    ],
    { env },
  )
}

/** Creates what is missing; resolves once the broker takes part, so it tells of readiness too. */
async function createTopics(broker: string, withinMs: number) {
  const kafka = new Kafka({
    clientId: 'local',
    brokers: [broker],
    logLevel: logLevel.NOTHING,
    retry: { retries: 0 },
    connectionTimeout: withinMs,
    requestTimeout: withinMs,
  })
  const admin = kafka.admin()
  await admin.connect()
  try {
    const existing = new Set(await admin.listTopics())
    const topics = [
      // Events of the local members stay for as long as the data folder.
      { topic: MEMBER_EVENTS, numPartitions: 6, configEntries: [{ name: 'retention.ms', value: '-1' }] },
      {
        topic: MEMBER_EVENTS_DEAD_LETTERS,
        numPartitions: 1,
        configEntries: [{ name: 'max.message.bytes', value: String(DEAD_LETTER_BYTES) }],
      },
      { topic: OTP_EVENTS, numPartitions: 6 },
    ].filter(({ topic }) => !existing.has(topic))
    if (topics.length > 0) await admin.createTopics({ topics, waitForLeaders: true, timeout: withinMs })
  } finally {
    await admin.disconnect()
  }
}

async function findJava({ env, report }: Pick<PartOptions, 'env' | 'report'>): Promise<string> {
  const candidates = [...(env['JAVA_HOME'] ? [join(env['JAVA_HOME'], 'bin', 'java')] : []), 'java']
  const found: string[] = []
  for (const java of candidates) {
    report(`asking ${java} for its version`)
    const { version, problem } = await javaVersion(java, env)
    if (version !== undefined && version >= JAVA) return java
    found.push(`${java}: ${problem ?? `Java ${version}`}`)
  }
  throw new PartUnavailable(
    `Kafka needs Java ${JAVA} or newer; what was tried: ${found.join('; ')}. ` +
      'Install it (Debian: apt-get install openjdk-17-jre-headless; macOS: brew install openjdk), ' +
      'or set KAFKA_BROKERS to a Kafka that runs already.',
  )
}

async function javaVersion(java: string, env: NodeJS.ProcessEnv): Promise<{ version?: number; problem?: string }> {
  try {
    const { stderr } = await promisify(execFile)(java, ['-version'], { env })
    const version = /version "(?:1\.)?(\d+)/.exec(stderr)?.[1]
    return version === undefined ? { problem: 'it names no version' } : { version: Number(version) }
  } catch (error) {
    return { problem: (error as { code?: unknown }).code === 'ENOENT' ? 'not there' : 'it does not run' }
  }
}
