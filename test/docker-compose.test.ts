/**
 * Q2: "`docker compose up` runs the whole on images." Without a container engine, as far as the file itself tells;
 * `npm run test:containers` runs it (Q7).
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
      build: z.string().optional(),
      pull_policy: z.string().optional(),
      restart: z.string().optional(),
      command: z.array(z.string()).optional(),
      environment: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
      depends_on: z.record(z.string(), z.object({ condition: z.string() })).optional(),
      healthcheck: z.object({ test: z.array(z.string()) }).optional(),
      volumes: z.array(z.string()).optional(),
      tmpfs: z.array(z.string()).optional(),
      read_only: z.boolean().optional(),
      cap_drop: z.array(z.string()).optional(),
      security_opt: z.array(z.string()).optional(),
      profiles: z.array(z.string()).optional(),
    }),
  ),
  volumes: z.record(z.string(), z.null()),
})

const { services, volumes } = composeFile.parse(
  parse(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8'), { merge: true }),
)
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

const all = Object.entries(services)
const own = all.filter(([, service]) => service.image === 'one-time-password')

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
    const awaited = all.flatMap(([, service]) => Object.keys(service.depends_on ?? {}))
    for (const name of awaited) expect(services, name).toHaveProperty(name)
  })
})

/** Services that run to their end. */
const ONE_SHOT = ['topics', 'temporal-schema', 'temporal-namespace', 'migrate', 'sample-members']
const lasting = all.filter(([name]) => !ONE_SHOT.includes(name))
const dockerfile = readFileSync(join(ROOT, 'Dockerfile'), 'utf8')
const isTagExact = (image: string) => /^[^:@]+:v?\d+(\.\d+\.\d+(-\w+)?)?$/.test(image)

describe('every service of docker compose', () => {
  test.each(lasting)('%s comes back whatever ended it', (_, { restart }) => {
    expect(restart).toBe('unless-stopped')
  })

  test.each(ONE_SHOT)('%s is run again until it succeeds, and no failure for `up --wait`', (name) => {
    expect(services[name]!.restart).toBe('on-failure')
    // Compose takes the end of a service for a failure, unless one depends on its success.
    const conditions = all.map(([, service]) => service.depends_on?.[name]?.condition)
    expect(conditions).toContain('service_completed_successfully')
  })

  // Jaeger's image has no program to ask with.
  test.each(lasting.filter(([name]) => name !== 'traces'))('%s tells of its health', (_, { healthcheck }) => {
    expect(healthcheck?.test[0]).toBe('CMD')
  })

  test.each(own.filter(([name]) => !ONE_SHOT.includes(name)))(
    '%s is asked for /readyz on a port of its own',
    (name) => {
      const { healthcheck, environment = {} } = services[name]!
      const [, node, program, port] = healthcheck!.test
      expect([node, program]).toEqual(['node', 'operations/ready.mjs'])
      expect(existsSync(join(ROOT, program!))).toBe(true)
      const ports = ['PORT', 'OTP_CODEC_SERVER_PORT', 'OTP_SIMULATOR_PORT'].flatMap(
        (variable) => environment[variable] ?? [],
      )
      expect(Number(port)).toBe(ports[0] ?? environment['OTP_METRICS_PORT'])
    },
  )

  test.each(own)('%s can change nothing in its container', (_, service) => {
    expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] })
  })

  test('takes the image that one of them builds', () => {
    expect(own.filter(([, { build }]) => build !== undefined).map(([name]) => name)).toEqual(['migrate'])
    for (const [name, service] of own) expect(service.pull_policy, name).toBe(name === 'migrate' ? undefined : 'never')
  })

  test.each(all)('%s keeps its data where `down` and `up` find it', (_, service) => {
    const sources = (service.volumes ?? []).map((mount) => mount.split(':')[0]!)
    for (const name of sources.filter((source) => !source.startsWith('./'))) expect(volumes).toHaveProperty(name)
    // What the image of Kafka declares as volumes.
    const declared = service.image.startsWith('apache/kafka')
      ? ['/etc/kafka/secrets', '/mnt/shared/config', '/var/lib/kafka/data']
      : []
    const mounted = [...(service.tmpfs ?? []), ...(service.volumes ?? []).map((mount) => mount.split(':')[1])]
    expect(mounted).toEqual(expect.arrayContaining(declared))
  })

  test('is of a version that does not float', () => {
    const bases = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, image]) => image!)
    const images = all.map(([, { image }]) => image).filter((image) => image !== 'one-time-password')
    for (const image of [...images, ...bases]) expect(image).toSatisfy(isTagExact)
  })

  test('runs on the Node that the packages bring', () => {
    const { dependencies } = z
      .object({ dependencies: z.record(z.string(), z.string()) })
      .parse(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')))
    const bases = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, image]) => image)
    expect(new Set(bases)).toEqual(new Set([`node:${dependencies['node']}-slim`]))
  })
})
