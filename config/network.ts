/** What leaves this machine, and whether it is encrypted: as the clients of Postgres, Kafka and Temporal read their addresses. */
import { BlockList, isIP } from 'node:net'
import { loadClientConnectConfig } from '@temporalio/envconfig'
import connectPostgres from 'postgres'
import { readEnvironment } from './environment.ts'

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

/** Whether a host, a name or an address, is this machine itself. */
export function isLoopback(host: string): boolean {
  const plain = host.replaceAll(/^\[|\]$/g, '')
  const version = isIP(plain)
  if (version === 0) return /^(.+\.)?localhost$/i.test(plain)
  return LOOPBACK.check(plain, version === 4 ? 'ipv4' : 'ipv6')
}

const hostOf = (hostAndPort: string) => hostAndPort.replace(/:\d+$/, '')

/** How a connection goes. */
export interface Way {
  /** To another machine. */
  readonly leaves: boolean
  readonly encrypted: boolean
}

/** With these postgres.js speaks TLS or not at all; `prefer` goes without where the server, or who stands before it, says so. */
const POSTGRES_TLS: ReadonlySet<unknown> = new Set(['require', 'verify-ca', 'verify-full', 'true', true])

/** `undefined` for a URL that postgres.js cannot read. */
export function wayToPostgres(url: string): Way | undefined {
  try {
    // It connects at the first query only.
    const { host, path, ssl } = connectPostgres(url, { max: 1 }).options
    return { leaves: !path && !host.every(isLoopback), encrypted: POSTGRES_TLS.has(ssl) }
  } catch {
    return undefined
  }
}

export const wayToKafka = (brokers: readonly string[], ssl: boolean): Way => ({
  leaves: !brokers.map(hostOf).every(isLoopback),
  encrypted: ssl,
})

/**
 * Where the environment says that Temporal is, as both kinds of connection take it: read by the SDK's own profile loader.
 *
 * @throws where a profile or a file that the environment names is not there
 */
export const temporalAddress = (env?: NodeJS.ProcessEnv) =>
  loadClientConnectConfig({ overrideEnvVars: readEnvironment(env) })

/** `undefined` where it cannot be read, which whoever connects is told. */
export function wayToTemporal(env: NodeJS.ProcessEnv): Way | undefined {
  try {
    const { address = 'localhost', tls } = temporalAddress(env).connectionOptions
    return { leaves: !isLoopback(hostOf(address)), encrypted: Boolean(tls) }
  } catch {
    return undefined
  }
}

/** Whether a URL leads over https to another machine. */
export function leavesByHttps(url: string): boolean {
  const { protocol, hostname } = new URL(url)
  return protocol === 'https:' && !isLoopback(hostname)
}
