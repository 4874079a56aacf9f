import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Where everything is while `npm start` runs; the content of `.local/endpoints.json` (spec, section I). */
export interface Endpoints {
  /** The demo mileage bank, for a browser. */
  readonly bank: string
  /** Base URL of the HTTP API. */
  readonly api: string
  /** For `Authorization: Bearer …`; a development key. */
  readonly apiKey: string
  /** `host:port` of Temporal's frontend; absent where there is no Temporal. */
  readonly temporal?: string
  /** Base URL of the Web UI; absent where Temporal is not ours, or not there. */
  readonly temporalUi?: string
  readonly temporalNamespace: string
  readonly codecServer: string
  /** `host:port[,host:port…]`; absent where there is no Kafka. */
  readonly kafka?: string
  /** `postgres://…`, password included; absent where there is no Postgres. */
  readonly database?: string
  /** Base URL of the provider simulators; absent where both providers are real. */
  readonly outbox?: string
  /** Where Prometheus finds each process; `temporal-sdk` is the challenge worker's, of Temporal's SDK. */
  readonly metrics: Readonly<Record<string, string>>
  /** A member id for each kind of member. */
  readonly sampleMembers: Readonly<Record<string, string>>
  /** Process ids by name: `start`, the parts, and our own processes. They change when one is started again. */
  readonly pids: Readonly<Record<string, number>>
  /**
   * What is not there, as `npm start` names it (`Temporal`, `challenge-worker`); absent where all is. It is written anew when
   * something of it comes later.
   */
  readonly without?: readonly string[]
}

/** Where the data of `npm start` stands, below the repository. */
export const LOCAL_FOLDER = join(import.meta.dirname, '..', '.local')

const fileOf = (folder: string) => join(folder, 'endpoints.json')

/**
 * The endpoints of a running `npm start`.
 *
 * @throws when none is running
 */
export async function readEndpoints(folder = LOCAL_FOLDER): Promise<Endpoints> {
  try {
    return JSON.parse(await readFile(fileOf(folder), 'utf8')) as Endpoints
  } catch {
    throw new Error('Nothing is running here: npm start first')
  }
}

/** A reader sees the old content or the new, never half of one. */
export async function writeEndpoints(folder: string, endpoints: Endpoints): Promise<void> {
  const draft = `${fileOf(folder)}.${process.pid}`
  await writeFile(draft, `${JSON.stringify(endpoints, undefined, 2)}\n`, { mode: 0o600 })
  await rename(draft, fileOf(folder))
}

export const removeEndpoints = (folder: string): Promise<void> => rm(fileOf(folder), { force: true })
