import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadClientConnectConfig } from '@temporalio/envconfig'
import type { Addresses } from './environment.ts'
import { isFree, nextFreePort } from './stack/ports.ts'

/** Where everything will be: decided before anything starts, so that all can start side by side. */
export interface Plan {
  readonly addresses: Addresses
  /** Ports of the parts that are started here; absent where the caller's environment names one that runs already. */
  readonly postgresPort?: number
  readonly temporalPort?: number
  readonly temporalUiPort?: number
  readonly kafkaPort?: number
  readonly temporalNamespace: string
  /** What to tell about ports that were not to be had. */
  readonly notes: readonly string[]
}

/** Stands in for the password until Postgres has told it. */
const UNKNOWN_DATABASE = 'postgres://otp@127.0.0.1/otp'

const DEFAULT_UI_PORT = 8233

/**
 * Chooses ports and addresses (Q2): what `env` names is used, a port that it names must be free, and the others have
 * defaults that give way to whoever is there already.
 *
 * @throws when a port that `env` names is busy
 */
export async function makePlan(env: NodeJS.ProcessEnv): Promise<Plan> {
  const taken = new Set<number>()
  const notes: string[] = []
  const httpHost = env['HOST'] || '127.0.0.1'
  const choose = async (name: string, preferred: number) => {
    const port = await nextFreePort(preferred, taken)
    if (port !== preferred) notes.push(`Port ${preferred} is busy: ${name} is on ${port}`)
    return port
  }
  const configured = async (name: string, variable: string, preferred: number, host?: string) => {
    const given = env[variable]
    // Port 0 asks for any.
    if (!given || given === '0') return choose(name, preferred)
    // What is no port is for the configuration's check to say.
    if (!/^\d{1,5}$/.test(given)) return preferred
    if (!(await isFree(Number(given), host))) {
      throw new Error(
        `${variable}=${given}: something listens there already. End it, name another port, ` +
          `or leave ${variable} unset and a free one is taken.`,
      )
    }
    taken.add(Number(given))
    return Number(given)
  }

  const httpPort = await configured('the API', 'PORT', 8080, httpHost)
  const codecServerPort = await configured('the codec server', 'OTP_CODEC_SERVER_PORT', 8081)
  const simulatorPort = await configured('the outbox', 'OTP_SIMULATOR_PORT', 8082)
  const bankPort = await configured('the bank', 'BANK_PORT', 8083)
  const postgresPort = env['DATABASE_URL'] ? undefined : await choose('Postgres', 5433)
  const kafkaPort = env['KAFKA_BROKERS'] ? undefined : await choose('Kafka', 9092)
  const metricsPorts = {
    'challenge-worker': await nextFreePort(9464, taken),
    'temporal-sdk': await nextFreePort(9465, taken),
    'member-consumer': await nextFreePort(9466, taken),
    'outbox-relay': await nextFreePort(9467, taken),
    'campaign-worker': await nextFreePort(9468, taken),
  }
  const temporalElsewhere = temporalInEnvironment(env)
  const temporalPort = temporalElsewhere ? undefined : await choose('Temporal', 7233)
  const temporalUiPort = temporalElsewhere ? undefined : await choose("Temporal's Web UI", DEFAULT_UI_PORT)
  // Where Temporal is elsewhere, its Web UI may still be one on this machine.
  const uiPort = temporalUiPort ?? DEFAULT_UI_PORT

  return {
    notes,
    temporalNamespace: temporalElsewhere?.namespace || env['TEMPORAL_NAMESPACE'] || 'default',
    ...(postgresPort && { postgresPort }),
    ...(temporalPort && { temporalPort }),
    ...(temporalUiPort && { temporalUiPort }),
    ...(kafkaPort && { kafkaPort }),
    addresses: {
      httpHost,
      httpPort,
      codecServerPort,
      simulatorPort,
      bankPort,
      databaseUrl: env['DATABASE_URL'] || UNKNOWN_DATABASE,
      temporalIsGiven: temporalElsewhere !== undefined,
      temporal: temporalElsewhere?.address ?? `127.0.0.1:${temporalPort}`,
      kafka: env['KAFKA_BROKERS'] || `127.0.0.1:${kafkaPort}`,
      metricsPorts,
      uiOrigins: [`http://127.0.0.1:${uiPort}`, `http://localhost:${uiPort}`],
    },
  }
}

/** A profile counts where the environment asks for one: a file that only lies there is for the Temporal CLI. */
function temporalInEnvironment(env: NodeJS.ProcessEnv): { address: string; namespace?: string } | undefined {
  if (!['TEMPORAL_ADDRESS', 'TEMPORAL_PROFILE', 'TEMPORAL_CONFIG_FILE'].some((name) => env[name])) return undefined
  const { connectionOptions, namespace } = loadClientConnectConfig()
  return { address: connectionOptions.address ?? '127.0.0.1:7233', ...(namespace && { namespace }) }
}

/** The socket by which a start of this data folder is known; short, since the system bounds its length. */
export const socketOf = (folder: string): string =>
  join(tmpdir(), `one-time-password-${createHash('sha256').update(folder).digest('hex').slice(0, 16)}.sock`)
