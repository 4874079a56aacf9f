/**
 * The environment of what `npm start` runs here, for who looks at the parts themselves.
 */
import { join } from 'node:path'
import { developmentKeys } from './development-keys.ts'
import { LOCAL_FOLDER, readEndpoints } from './endpoints.ts'
import { composeWholeEnvironment } from './environment.ts'

/** Each names a part that is not ours to start. */
const PARTS = [
  'DATABASE_URL',
  'KAFKA_BROKERS',
  'TEMPORAL_ADDRESS',
  'TEMPORAL_CONFIG_FILE',
  'TEMPORAL_PROFILE',
  'OTP_API_URL',
] as const

/**
 * @returns what all processes of the running `npm start` read, in one; `undefined` where none runs here, or where `env`
 *   names a part: half of one system and half of another would be nobody's
 */
export async function runningEnvironment(
  folder = LOCAL_FOLDER,
  env = process.env,
): Promise<NodeJS.ProcessEnv | undefined> {
  if (PARTS.some((name) => env[name])) return undefined
  const endpoints = await readEndpoints(folder).catch(() => undefined)
  if (endpoints === undefined) return undefined
  const { api, apiKey, bank, codecServer, database, kafka, outbox, temporal, temporalNamespace, temporalUi } = endpoints
  const portOf = (url: string | undefined) => (url === undefined ? 0 : Number(new URL(url).port))
  const addresses = {
    httpHost: new URL(api).hostname,
    httpPort: portOf(api),
    codecServerPort: portOf(codecServer),
    simulatorPort: portOf(outbox),
    bankPort: portOf(bank),
    databaseUrl: database ?? '',
    temporal: temporal ?? '',
    temporalIsGiven: false,
    kafka: kafka ?? '',
    metricsPorts: {},
    uiOrigins: temporalUi === undefined ? [] : [temporalUi],
  }
  return {
    TEMPORAL_NAMESPACE: temporalNamespace,
    ...composeWholeEnvironment(addresses, developmentKeys(join(folder, 'development-keys.json')), env),
    OTP_API_URL: api,
    OTP_API_KEY: apiKey,
  }
}
