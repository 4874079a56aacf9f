/**
 * Q2: "`docker compose up` runs the whole on images." Without a container engine, as far as the file itself tells.
 */
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { loadConfig } from '../config.ts'
import { makeDevelopmentKeys } from '../local/development-keys.ts'

const ROOT = join(import.meta.dirname, '..')

const composeFile = z.object({
  services: z.record(
    z.string(),
    z.object({
      image: z.string(),
      command: z.array(z.string()).optional(),
      environment: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
      depends_on: z.record(z.string(), z.unknown()).optional(),
    }),
  ),
})

const { services } = composeFile.parse(parse(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8'), { merge: true }))
const keys = makeDevelopmentKeys()
const dotEnv: Record<string, string> = {
  OTP_MASTER_KEYS: keys.masterKeys,
  OTP_CODEC_KEYS: keys.codecKeys,
  OTP_PROOF_KEYS: keys.proofKeys,
  OTP_API_KEYS: keys.apiCallers,
  OTP_IP_HASH_KEY: keys.ipHashKey,
  SENDGRID_API_KEY: keys.sendgridApiKey,
  SENDGRID_WEBHOOK_PUBLIC_KEY: keys.sendgridWebhookPublicKey,
  OTP_SIMULATOR_SENDGRID_WEBHOOK_PRIVATE_KEY: keys.sendgridWebhookPrivateKey,
  VONAGE_API_KEY: keys.vonageApiKey,
  VONAGE_SIGNATURE_SECRET: keys.vonageSignatureSecret,
  VONAGE_APPLICATION_ID: keys.vonageApplicationId,
  VONAGE_PRIVATE_KEY: keys.vonagePrivateKey,
}

/** The environment of a service, as compose fills it in from `.env`. */
const environmentOf = (name: string) =>
  Object.fromEntries(
    Object.entries(services[name]?.environment ?? {}).map(([variable, value]) => [
      variable,
      String(value).replaceAll(/\$\{(\w+):([?-])([^}]*)\}/g, (_, from: string, kind: string, otherwise: string) => {
        const given = dotEnv[from]
        if (given === undefined && kind === '?') throw new Error(`npm run docker-env does not write ${from}`)
        return given ?? otherwise
      }),
    ]),
  )

const own = Object.entries(services).filter(([, service]) => service.image === 'one-time-password')

describe('docker compose', () => {
  test.each([
    ['migrate', ['postgres']],
    [
      'api',
      ['http', 'callers', 'pages', 'webhooks', 'postgres', 'temporal', 'codes', 'policy', 'campaign', 'tracing', 'log'],
    ],
    [
      'challenge-worker',
      ['postgres', 'temporal', 'codes', 'policy', 'providers', 'retention', 'metrics', 'tracing', 'log'],
    ],
    ['campaign-worker', ['postgres', 'temporal', 'policy', 'campaign', 'providers', 'log']],
    ['member-consumer', ['postgres', 'kafka', 'metrics', 'log']],
    ['outbox-relay', ['postgres', 'kafka', 'metrics', 'log']],
    ['codec-server', ['codecServer', 'log']],
    ['sample-members', ['kafka']],
  ] as const)('gives %s a configuration that it accepts', (name, sections) => {
    expect(() => loadConfig(sections, environmentOf(name))).not.toThrow()
  })

  test('says to every process that this is development: the image says production', () => {
    for (const [name] of own) expect(environmentOf(name)['NODE_ENV'], name).toBe('development')
  })

  test('hands the master keys to the API and the challenge worker alone', () => {
    const holders = own.filter(([name]) => 'OTP_MASTER_KEYS' in environmentOf(name)).map(([name]) => name)
    expect(holders.toSorted()).toEqual(['api', 'challenge-worker'])
  })

  test('ends an SMS with the host of the pages', () => {
    const { pages } = loadConfig(['pages'], environmentOf('api'))
    for (const name of ['challenge-worker', 'campaign-worker']) {
      const { providers } = loadConfig(['providers'], environmentOf(name))
      expect(providers.originHost).toBe(new URL(pages.publicUrl).hostname)
    }
  })

  test('lets the API believe what the simulators sign', () => {
    const { webhooks } = loadConfig(['webhooks'], environmentOf('api'))
    const { VONAGE_SIGNATURE_SECRET: secret, ...simulators } = environmentOf('simulators')
    expect(webhooks.vonage?.signatureSecret).toBe(secret)
    const der = Buffer.from(simulators['OTP_SIMULATOR_SENDGRID_WEBHOOK_PRIVATE_KEY']!, 'base64')
    const publicKey = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }))
    expect(webhooks.sendgridPublicKey?.equals(publicKey)).toBe(true)
  })

  test('starts entrances that exist', () => {
    for (const [, { command }] of own) expect(existsSync(join(ROOT, command![1]!)), command!.join(' ')).toBe(true)
  })

  test('builds its image from what there is', () => {
    const copies = readFileSync(join(ROOT, 'Dockerfile'), 'utf8').matchAll(/^COPY (?!--from)(.+) \S+$/gm)
    const sources = [...copies].flatMap(([, names]) => names!.split(' '))
    expect(sources).toContain('package-lock.json')
    for (const source of sources) expect(existsSync(join(ROOT, source)), source).toBe(true)
  })

  test('waits for services that exist', () => {
    const awaited = Object.values(services).flatMap((service) => Object.keys(service.depends_on ?? {}))
    for (const name of awaited) expect(services, name).toHaveProperty(name)
  })
})
