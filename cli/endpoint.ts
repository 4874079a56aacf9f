/**
 * Which API `otp` speaks to: that of the environment, else the one that `npm start` runs on this machine.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { loadConfig } from '../config.ts'
import { CliFailure } from './failure.ts'

const LOCAL = join(import.meta.dirname, '..', '.local', 'endpoints.json')
const localEndpoints = z.object({ api: z.url(), apiKey: z.string() })

export interface Endpoint {
  /** Base URL, without a slash at its end. */
  readonly url: string
  readonly apiKey: string
}

/** @throws {CliFailure} where neither is there */
export async function findEndpoint(): Promise<Endpoint> {
  const { cli } = loadConfig(['cli'])
  if (cli.endpoint) return cli.endpoint
  try {
    const { api, apiKey } = localEndpoints.parse(JSON.parse(await readFile(LOCAL, 'utf8')))
    return { url: api, apiKey }
  } catch {
    throw new CliFailure(
      'unreachable',
      'There is no API to speak to: set OTP_API_URL and OTP_API_KEY, or run npm start on this machine.',
    )
  }
}
