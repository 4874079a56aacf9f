/**
 * The environment of our own processes on one machine: what the caller has set stands, what is missing points at the
 * local parts and carries the development keys.
 */
import { join } from 'node:path'
import { BANK_CALLER, DEVELOPMENT_RETURN_URLS, type DevelopmentKeys } from './development-keys.ts'

const LOCAL_PROFILE = join(import.meta.dirname, 'temporal-profile.toml')

/** Where things are, as far as it is not in the caller's environment. */
export interface Addresses {
  readonly httpHost: string
  readonly httpPort: number
  readonly codecServerPort: number
  readonly simulatorPort: number
  readonly bankPort: number
  readonly databaseUrl: string
  readonly temporal: string
  /** Temporal is where the caller's environment says, profile files included. */
  readonly temporalIsGiven: boolean
  readonly kafka: string
  /** Where processes show their metrics, by what stands in `.local/endpoints.json`; the API has its own. */
  readonly metricsPorts: Readonly<Partial<Record<ProcessName | 'temporal-sdk', number>>>
  /** Origins of the Web UI, which may ask the codec server. */
  readonly uiOrigins: readonly string[]
}

/** What a process needs beside the addresses; it gets no secret but these (C10). */
export type Secrets = 'http' | 'proofs' | 'codec' | 'codes' | 'providers' | 'webhooks' | 'receipts' | 'bank'

/** Each of our processes: its entrance, and the secrets it needs. */
export const PROCESSES = {
  'codec-server': { entrance: 'api/codec-server.ts', secrets: ['codec'] },
  simulators: { entrance: 'local/simulators/main.ts', secrets: ['providers', 'receipts'] },
  api: { entrance: 'api/main.ts', secrets: ['http', 'proofs', 'codec', 'codes', 'webhooks'] },
  'challenge-worker': { entrance: 'workers/challenge-worker.ts', secrets: ['codec', 'codes', 'providers'] },
  'campaign-worker': { entrance: 'workers/campaign-worker.ts', secrets: ['codec', 'providers'] },
  'member-consumer': { entrance: 'workers/member-consumer.ts', secrets: [] },
  'outbox-relay': { entrance: 'workers/outbox-relay.ts', secrets: [] },
  bank: { entrance: 'local/bank/main.ts', secrets: ['bank'] },
} as const satisfies Record<string, { entrance: string; secrets: readonly Secrets[] }>

export type ProcessName = keyof typeof PROCESSES

/** Whether the caller's environment names real providers; then no simulator stands in for them. */
export const hasProvider = {
  sendgrid: (env: NodeJS.ProcessEnv): boolean => Boolean(env['SENDGRID_API_KEY'] || env['SENDGRID_BASE_URL']),
  vonage: (env: NodeJS.ProcessEnv): boolean => Boolean(env['VONAGE_APPLICATION_ID'] || env['VONAGE_BASE_URL']),
}

/** The environment of the process called `name`. */
export function composeEnvironment(
  name: ProcessName,
  addresses: Addresses,
  keys: DevelopmentKeys,
  env: NodeJS.ProcessEnv,
): NodeJS.ProcessEnv {
  const secrets = secretVariables(addresses, keys, env)
  const withheld = Object.values(secrets).flatMap((variables) => Object.keys(variables))
  const own = PROCESSES[name].secrets.map((secret) => secrets[secret])
  const inherited = Object.entries(env).filter(([variable]) => !withheld.includes(variable))
  const given = definedOf(Object.fromEntries(inherited))
  return Object.assign({}, addressVariables(addresses), given, metricsVariables(name, addresses), ...own)
}

/** The environment with everything in it, to have the whole configuration checked before anything starts (Q3). */
export function composeWholeEnvironment(addresses: Addresses, keys: DevelopmentKeys, env: NodeJS.ProcessEnv) {
  const secrets = Object.values(secretVariables(addresses, keys, env))
  return Object.assign({}, addressVariables(addresses), definedOf(env), ...secrets) as NodeJS.ProcessEnv
}

function addressVariables(addresses: Addresses) {
  return {
    NODE_ENV: 'development',
    HOST: addresses.httpHost,
    PORT: String(addresses.httpPort),
    OTP_PUBLIC_URL: apiUrl(addresses),
    DATABASE_URL: addresses.databaseUrl,
    // A profile file of the Temporal CLI may ask for TLS, which the local server does not speak.
    ...(!addresses.temporalIsGiven && { TEMPORAL_ADDRESS: addresses.temporal, TEMPORAL_CONFIG_FILE: LOCAL_PROFILE }),
    KAFKA_BROKERS: addresses.kafka,
    OTP_CODEC_SERVER_PORT: String(addresses.codecServerPort),
    OTP_CODEC_SERVER_ORIGINS: addresses.uiOrigins.join(','),
    OTP_SIMULATOR_PORT: String(addresses.simulatorPort),
    BANK_PORT: String(addresses.bankPort),
    BANK_OTP_URL: apiUrl(addresses),
    BANK_OTP_CALLER: BANK_CALLER,
  }
}

/** Where processes and browsers of this machine find the API. */
export const apiUrl = ({ httpHost, httpPort }: Pick<Addresses, 'httpHost' | 'httpPort'>): string =>
  `http://${['0.0.0.0', '::'].includes(httpHost) ? '127.0.0.1' : httpHost}:${httpPort}`

/** Where a browser of this machine finds the bank. */
export const bankUrl = ({ bankPort }: Pick<Addresses, 'bankPort'>): string => `http://127.0.0.1:${bankPort}`

/** Each process has a port of its own, so that one variable of the caller's cannot serve them all. */
function metricsVariables(name: ProcessName, { metricsPorts }: Addresses) {
  const { [name]: own, 'temporal-sdk': temporal } = metricsPorts
  return {
    ...(own !== undefined && { OTP_METRICS_HOST: '127.0.0.1', OTP_METRICS_PORT: String(own) }),
    ...(name === 'challenge-worker' && temporal !== undefined && { OTP_TEMPORAL_METRICS_PORT: String(temporal) }),
  }
}

function secretVariables(addresses: Addresses, keys: DevelopmentKeys, env: NodeJS.ProcessEnv) {
  const simulator = `http://127.0.0.1:${addresses.simulatorPort}`
  const webhooks = `${apiUrl(addresses)}/v1/webhooks`
  const given = (name: string, otherwise: string) => ({ [name]: env[name] || otherwise })
  // A simulated SendGrid cannot sign for a key pair whose private half is somewhere else.
  const signs = {
    sendgrid: !hasProvider.sendgrid(env) && !env['SENDGRID_WEBHOOK_PUBLIC_KEY'],
    vonage: !hasProvider.vonage(env),
  }
  const vonageAccount = {
    ...given('VONAGE_API_KEY', keys.vonageApiKey),
    ...given('VONAGE_SIGNATURE_SECRET', keys.vonageSignatureSecret),
  }
  return {
    http: {
      // The development caller stays beside the given ones: .local/endpoints.json promises its key.
      OTP_API_KEYS: [env['OTP_API_KEYS'], keys.apiCallers].filter(Boolean).join(','),
      OTP_RETURN_URLS: [env['OTP_RETURN_URLS'], DEVELOPMENT_RETURN_URLS, `${BANK_CALLER}=${bankUrl(addresses)}`]
        .filter(Boolean)
        .join(','),
      ...given('OTP_IP_HASH_KEY', keys.ipHashKey),
    },
    proofs: given('OTP_PROOF_KEYS', keys.proofKeys),
    codec: given('OTP_CODEC_KEYS', keys.codecKeys),
    codes: given('OTP_MASTER_KEYS', keys.masterKeys),
    providers: {
      ...given('SENDGRID_API_KEY', keys.sendgridApiKey),
      ...given('VONAGE_APPLICATION_ID', keys.vonageApplicationId),
      ...given('VONAGE_PRIVATE_KEY', keys.vonagePrivateKey),
      ...(!hasProvider.sendgrid(env) && { SENDGRID_BASE_URL: simulator }),
      ...(!hasProvider.vonage(env) && { VONAGE_BASE_URL: simulator }),
      ...definedOf({ SENDGRID_BASE_URL: env['SENDGRID_BASE_URL'], VONAGE_BASE_URL: env['VONAGE_BASE_URL'] }),
    },
    webhooks: {
      ...(signs.sendgrid && { SENDGRID_WEBHOOK_PUBLIC_KEY: keys.sendgridWebhookPublicKey }),
      ...(signs.vonage && vonageAccount),
      ...definedOf({
        SENDGRID_WEBHOOK_PUBLIC_KEY: env['SENDGRID_WEBHOOK_PUBLIC_KEY'],
        VONAGE_API_KEY: env['VONAGE_API_KEY'],
        VONAGE_SIGNATURE_SECRET: env['VONAGE_SIGNATURE_SECRET'],
      }),
    },
    receipts: {
      ...(signs.sendgrid && {
        OTP_SIMULATOR_SENDGRID_WEBHOOK_URL: `${webhooks}/sendgrid`,
        OTP_SIMULATOR_SENDGRID_WEBHOOK_PRIVATE_KEY: keys.sendgridWebhookPrivateKey,
      }),
      ...(signs.vonage && { OTP_SIMULATOR_VONAGE_WEBHOOK_URL: `${webhooks}/vonage/status`, ...vonageAccount }),
    },
    bank: {
      BANK_OTP_PUBLIC_URL: env['OTP_PUBLIC_URL'] || apiUrl(addresses),
      BANK_OTP_API_KEY: keys.bankApiKey,
      BANK_SESSION_KEY: keys.bankSessionKey,
      ...((signs.vonage || !hasProvider.sendgrid(env)) && { BANK_OUTBOX_URL: simulator }),
    },
  }
}

/** An empty variable is one that is not set. */
const definedOf = (env: NodeJS.ProcessEnv) => Object.fromEntries(Object.entries(env).filter(([, value]) => value))
