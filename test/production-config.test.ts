/**
 * Q6: production refuses what is not for production, all at once and by name; the same configuration mended is accepted.
 */
import { spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ConfigError, loadConfig, PROCESS_SECTIONS, sections, type ConfiguredProcess } from '../config.ts'
import { makeDevelopmentKeys } from '../local/development-keys.ts'
import { composeWholeEnvironment, type Addresses } from '../local/environment.ts'
import { PRODUCTION, randomKey } from './support/production-environment.ts'

type Section = keyof typeof sections
type Changes = Readonly<Record<string, string | undefined>>
const PROCESSES = Object.keys(PROCESS_SECTIONS) as ConfiguredProcess[]
const ALL = [...new Set<Section>(Object.values(PROCESS_SECTIONS).flat())]

const nameOf = (mistake: string) => mistake.split(':')[0]!

/** The variables that are refused, in order, each once; and a mistake that shows what it was, whole. */
function refused(changes: Changes, names: readonly Section[] = ALL): string[] {
  const values = Object.values(changes).filter((value) => value !== undefined && value.length > 5) as string[]
  try {
    loadConfig(names, { ...PRODUCTION, ...changes })
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const said = error.mistakes.map((mistake) =>
      values.some((value) => mistake.includes(value)) ? mistake : nameOf(mistake),
    )
    return [...new Set(said)].toSorted()
  }
}

const LIMITS = [
  'OTP_CALLER_REQUESTS_PER_SECOND',
  'OTP_COOLDOWN_SECONDS',
  'OTP_REGISTRATION_LIMIT_PER_24_HOURS',
  'OTP_LIMIT_PER_10_MINUTES',
  'OTP_LIMIT_PER_24_HOURS',
  'OTP_IP_LIMIT_PER_10_MINUTES',
  'OTP_IP_LIMIT_PER_24_HOURS',
  'OTP_SMS_LIMIT_PER_PREFIX_PER_HOUR',
  'OTP_SMS_PER_SECOND',
  'OTP_EMAIL_PER_SECOND',
  'OTP_PROVIDER_FAILURES_BEFORE_PAUSE',
]

const dev = makeDevelopmentKeys()

/** What each change of one thing has refused, and nothing beside. */
const FAULTS: readonly (readonly [variable: string, changes: Changes])[] = [
  ['OTP_MASTER_KEYS', { OTP_MASTER_KEYS: dev.masterKeys }],
  ['OTP_CODEC_KEYS', { OTP_CODEC_KEYS: dev.codecKeys }],
  ['OTP_PROOF_KEYS', { OTP_PROOF_KEYS: dev.proofKeys }],
  ['OTP_IP_HASH_KEY', { OTP_IP_HASH_KEY: dev.ipHashKey }],
  ['OTP_API_KEYS', { OTP_API_KEYS: dev.apiCallers }],
  ['SENDGRID_API_KEY', { SENDGRID_API_KEY: dev.sendgridApiKey }],
  ['SENDGRID_BASE_URL', { SENDGRID_BASE_URL: 'http://mail.example.jp' }],
  ['VONAGE_APPLICATION_ID', { VONAGE_APPLICATION_ID: dev.vonageApplicationId }],
  ['VONAGE_PRIVATE_KEY', { VONAGE_PRIVATE_KEY: dev.vonagePrivateKey }],
  ['VONAGE_BASE_URL', { VONAGE_BASE_URL: 'http://sms.example.jp' }],
  ['OTP_ORIGIN_HOST', { OTP_ORIGIN_HOST: 'www.jal.co.jp' }],
  ['SENDGRID_WEBHOOK_PUBLIC_KEY', { SENDGRID_WEBHOOK_PUBLIC_KEY: undefined }],
  ['VONAGE_API_KEY', { VONAGE_API_KEY: dev.vonageApiKey }],
  ['VONAGE_SIGNATURE_SECRET', { VONAGE_SIGNATURE_SECRET: dev.vonageSignatureSecret }],
  ['OTP_CODE_DIGITS', { OTP_CODE_DIGITS: '4' }],
  ...LIMITS.map((variable) => [variable, { [variable]: '0' }] as const),
  ['OTP_JWT_JWKS_URL', { OTP_JWT_JWKS_URL: 'http://issuer.example.jp/jwks' }],
  ['OTP_TRUST_PROXY_HOPS', { OTP_TRUST_PROXY_HOPS: undefined }],
  ['OTP_RETURN_URLS', { OTP_RETURN_URLS: 'booking=https://www.example.jp/,booking=http://air.example.jp/' }],
  ['OTP_CODEC_SERVER_CALLERS', { OTP_CODEC_SERVER_CALLERS: undefined }],
  ['DATABASE_URL', { DATABASE_URL: 'postgres://otp:p@db.example.jp:5432/otp' }],
  ['KAFKA_BROKERS', { KAFKA_SSL: 'false', KAFKA_SASL_MECHANISM: 'scram-sha-512' }],
  ['TEMPORAL_ADDRESS', { TEMPORAL_API_KEY: undefined }],
]

describe('production', () => {
  it.each(PROCESSES)('accepts what is fit for it: %s', (name) => {
    expect(refused({}, PROCESS_SECTIONS[name])).toEqual([])
  })

  it.each(FAULTS)('refuses %s, and that alone, given %s', (variable, changes) => {
    expect(refused(changes)).toEqual([variable])
  })

  it.each([
    ['OTP_PUBLIC_URL', { OTP_PUBLIC_URL: 'http://otp.jal.co.jp' }],
    ['OTP_PUBLIC_URL', { OTP_PUBLIC_URL: undefined }],
    ['VONAGE_API_KEY', { VONAGE_API_KEY: undefined }],
    ['VONAGE_SIGNATURE_SECRET', { VONAGE_SIGNATURE_SECRET: undefined }],
    ['OTP_TRUST_PROXY_HOPS', { OTP_TRUST_PROXY_HOPS: '0' }],
    ['OTP_CODE_DIGITS', { OTP_CODE_DIGITS: '5' }],
    ['OTP_RETURN_URLS', { OTP_RETURN_URLS: 'booking=https://127.0.0.1:*' }],
    ['OTP_RETURN_URLS', { OTP_RETURN_URLS: 'booking=http://localhost:8083/' }],
    ['OTP_CODEC_SERVER_CALLERS', { OTP_CODEC_SERVER_CALLERS: 'any', OTP_CODEC_SERVER_HOST: '127.0.0.1' }],
    ['KAFKA_SASL_MECHANISM', { KAFKA_SSL: 'false', OTP_ALLOW_PLAINTEXT: 'kafka' }],
    ['TEMPORAL_ADDRESS', { TEMPORAL_API_KEY: undefined, TEMPORAL_TLS: 'false' }],
  ])('refuses %s, and that alone, given %s too', (variable, changes) => {
    expect(refused(changes)).toEqual([variable])
  })

  const everything: Changes = {
    ...Object.assign({}, ...FAULTS.map(([, changes]) => changes)),
    KAFKA_SASL_MECHANISM: 'plain',
    OTP_PUBLIC_URL: 'http://otp.jal.co.jp',
    OTP_LOG_LEVEL: 'loud',
  }
  const names = [...FAULTS.map(([name]) => name), 'KAFKA_SASL_MECHANISM', 'OTP_PUBLIC_URL', 'OTP_LOG_LEVEL']

  it('refuses all of it at once, beside what is wrong anywhere', () => {
    expect(refused(everything)).toEqual(names.toSorted())
    const hidden = { OTP_MAX_ATTEMPTS: '0', OTP_COOLDOWN_SECONDS: '0' }
    expect(refused(hidden)).toEqual(['OTP_COOLDOWN_SECONDS', 'OTP_MAX_ATTEMPTS'])
  })

  it.each(PROCESSES)('does not judge what a process does not read: %s', (name) => {
    const own = PROCESS_SECTIONS[name].flatMap((section) => Object.keys(sections[section].in.shape))
    expect(refused(everything, PROCESS_SECTIONS[name])).toEqual(
      names.filter((variable) => own.includes(variable)).toSorted(),
    )
  })

  it('refuses it at the entrance, with code 2', () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['api/main.ts'], {
      env: { PATH: process.env['PATH'], ...PRODUCTION, VONAGE_API_KEY: '', OTP_CODE_DIGITS: '4', HOST: '127.0.0.1' },
      encoding: 'utf8',
    })
    expect(status).toBe(2)
    expect(`${stdout}${stderr}`).toMatch(/VONAGE_API_KEY: .*\n.*OTP_CODE_DIGITS: wants at least 6 in production\n$/)
  })

  it('judges every number of which 0 is no limit', () => {
    /** At 0 these are as strict as can be, or no limit at all. */
    const others = [
      'PORT',
      'OTP_CODEC_SERVER_PORT',
      'OTP_TRUST_PROXY_HOPS',
      'OTP_CODE_MIN_LIFE_SECONDS',
      'OTP_OLDER_CODE_SECONDS',
      'OTP_ENFORCE_AFTER_SECONDS',
      'OTEL_TRACES_SAMPLER_ARG',
    ]
    const zeroes = ALL.flatMap((name) =>
      Object.entries(sections[name].in.shape)
        .filter(([, schema]) => schema.safeParse('0').data === 0)
        .map(([variable]) => variable),
    )
    expect([...new Set(zeroes)].toSorted()).toEqual([...LIMITS, ...others].toSorted())
  })
})

describe('a development key is known in production', () => {
  const renamed = (ring: string) => ring.replace(/^dev-[^:]+/, 'master-2026')
  const bare = (secret: string) => secret.replace(/^dev-/, '')
  const vectors = JSON.parse(readFileSync(new URL('../temporal/codec-vectors.json', import.meta.url), 'utf8')) as {
    keys: string
  }
  const ringOf = (bytes: Uint8Array) => `k:${Buffer.from(bytes).toString('base64')}`

  it.each([
    ['under another name', 'OTP_MASTER_KEYS', renamed(dev.masterKeys)],
    ['as the second', 'OTP_MASTER_KEYS', `a:${randomKey()},${dev.masterKeys}`],
    ['as the second under another name', 'OTP_PROOF_KEYS', `a:${randomKey()}, ${renamed(dev.proofKeys)}`],
    ['by its name alone, as older ones have it', 'OTP_CODEC_KEYS', `a:${randomKey()}, dev-codec-1:${randomKey()}`],
    ['by its name in capitals', 'OTP_CODEC_KEYS', `DEV-1:${randomKey()}`],
    ['with white space around it', 'OTP_IP_HASH_KEY', ` ${dev.ipHashKey}\n`],
    ['with its first four letters off', 'SENDGRID_API_KEY', bare(dev.sendgridApiKey)],
    ['as a part of something', 'SENDGRID_API_KEY', `SG.${bare(dev.sendgridApiKey)}`],
    ['with its first four letters off', 'VONAGE_API_KEY', bare(dev.vonageApiKey)],
    ['with its first four letters off', 'VONAGE_SIGNATURE_SECRET', bare(dev.vonageSignatureSecret)],
    ['in one line', 'VONAGE_PRIVATE_KEY', dev.vonagePrivateKey.replaceAll('\n', '\\n')],
    ['in capitals', 'VONAGE_APPLICATION_ID', dev.vonageApplicationId.toUpperCase()],
    ['as SendGrid would show it', 'SENDGRID_WEBHOOK_PUBLIC_KEY', dev.sendgridWebhookPublicKey],
    ['as a second caller', 'OTP_API_KEYS', `${PRODUCTION['OTP_API_KEYS']!}, ${dev.apiCallers}`],
  ])('%s: %s', (_, variable, value) => {
    expect(refused({ [variable]: value })).toEqual([variable])
  })

  it.each([
    ['that the codec vectors show', 'OTP_CODEC_KEYS', vectors.keys],
    ['that the codec vectors show, as the second', 'OTP_CODEC_KEYS', `a:${randomKey()},${vectors.keys.split(',')[1]!}`],
    ['of equal bytes', 'OTP_MASTER_KEYS', ringOf(Buffer.alloc(32, 7))],
    ['of a word', 'OTP_MASTER_KEYS', ringOf(Buffer.alloc(32, 'histories'))],
    ['that counts', 'OTP_PROOF_KEYS', ringOf(Uint8Array.from({ length: 32 }, (__, n) => n))],
    ['of zeros', 'OTP_IP_HASH_KEY', Buffer.alloc(32).toString('base64')],
    ['of a letter', 'VONAGE_SIGNATURE_SECRET', 'x'.repeat(32)],
    ['of a word', 'SENDGRID_API_KEY', 'changeme'],
    ['of no account', 'VONAGE_APPLICATION_ID', '00000000-0000-4000-8000-000000000000'],
    ['that is none', 'VONAGE_PRIVATE_KEY', '-----BEGIN PRIVATE KEY-----'],
    [
      'of another kind',
      'VONAGE_PRIVATE_KEY',
      String(generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' })),
    ],
    ['by a hash that is none', 'OTP_API_KEYS', `booking:${'ab'.repeat(32)}:challenges:start`],
  ])('and so is one %s: %s', (_, variable, value) => {
    expect(refused({ [variable]: value })).toEqual([variable])
  })

  it('and no other key is taken for one', () => {
    for (let n = 0; n < 2_000; n++) {
      const ring = `a:${randomKey()}`
      const env = { OTP_MASTER_KEYS: ring, OTP_IP_HASH_KEY: randomKey(), OTP_PROOF_KEYS: ring }
      expect(refused(env, ['codes'])).toEqual([])
    }
  })

  it('and is used elsewhere', () => {
    for (const mode of ['development', 'test']) {
      const env = {
        NODE_ENV: mode,
        OTP_MASTER_KEYS: dev.masterKeys,
        OTP_API_KEYS: dev.apiCallers,
        SENDGRID_WEBHOOK_PUBLIC_KEY: dev.sendgridWebhookPublicKey,
        VONAGE_PRIVATE_KEY: dev.vonagePrivateKey,
        OTP_TRUST_PROXY_HOPS: '0',
      }
      expect(refused(env)).toEqual([])
    }
  })
})

describe('across a network', () => {
  const database = (rest: string) => ({ DATABASE_URL: `postgres://otp:p@${rest}` })
  const SYSTEMS: readonly Section[] = ['postgres', 'kafka', 'temporal']

  it.each(['', '?sslmode=disable', '?sslmode=prefer', '?sslmode=allow', '?ssl=false', '?ssl=prefer'])(
    'Postgres with "%s" is not encrypted for certain',
    (query) => {
      expect(refused(database(`db.example.jp/otp${query}`))).toEqual(['DATABASE_URL'])
      expect(refused(database(`127.0.0.1,db.example.jp:5432/otp${query}`))).toEqual(['DATABASE_URL'])
      expect(refused({ ...database(`db.example.jp/otp${query}`), OTP_ALLOW_PLAINTEXT: 'kafka, postgres' })).toEqual([])
    },
  )

  it.each(['?sslmode=require', '?sslmode=verify-ca', '?sslmode=verify-full', '?ssl=require', '?ssl=true'])(
    'Postgres with "%s" is encrypted',
    (query) => expect(refused(database(`db-1.example.jp,db-2.example.jp:5432/otp${query}`))).toEqual([]),
  )

  it('is not what stays on this machine', () => {
    const here = {
      ...database('127.0.0.1,localhost:5432/otp'),
      KAFKA_SSL: 'false',
      KAFKA_SASL_MECHANISM: 'scram-sha-256',
    }
    const rest = {
      KAFKA_BROKERS: 'localhost:9092,127.0.0.2:9092',
      TEMPORAL_ADDRESS: '[::1]:7233',
      TEMPORAL_API_KEY: '',
    }
    expect(refused({ ...here, ...rest }, SYSTEMS)).toEqual([])
    expect(refused({ ...here, ...rest, KAFKA_BROKERS: 'localhost:9092,kafka:9092' }, SYSTEMS)).toEqual([
      'KAFKA_BROKERS',
    ])
    expect(refused({ ...here, ...rest, TEMPORAL_ADDRESS: '10.0.0.1:7233' }, SYSTEMS)).toEqual(['TEMPORAL_ADDRESS'])
  })

  it('each may go plain where it is said of it', () => {
    const plain = {
      ...database('db.example.jp/otp'),
      KAFKA_SSL: 'false',
      KAFKA_SASL_MECHANISM: 'scram-sha-256',
      TEMPORAL_API_KEY: undefined,
    }
    expect(refused(plain, SYSTEMS)).toEqual(['DATABASE_URL', 'KAFKA_BROKERS', 'TEMPORAL_ADDRESS'])
    expect(refused({ ...plain, OTP_ALLOW_PLAINTEXT: 'kafka' }, SYSTEMS)).toEqual(['DATABASE_URL', 'TEMPORAL_ADDRESS'])
    expect(refused({ ...plain, OTP_ALLOW_PLAINTEXT: 'kafka,postgres,temporal' }, SYSTEMS)).toEqual([])
  })
})

describe('where NODE_ENV is not set', () => {
  const LOCAL: Changes = {
    ...Object.fromEntries(Object.keys(PRODUCTION).map((name) => [name, undefined])),
    DATABASE_URL: 'postgres://otp:p@127.0.0.1:5432/otp',
    KAFKA_BROKERS: 'localhost:9092',
    OTP_API_KEYS: dev.apiCallers,
    OTP_IP_HASH_KEY: dev.ipHashKey,
    OTP_PROOF_KEYS: dev.proofKeys,
    OTP_CODEC_KEYS: dev.codecKeys,
    OTP_MASTER_KEYS: dev.masterKeys,
    OTP_CODEC_SERVER_ORIGINS: 'http://127.0.0.1:8233',
    SENDGRID_API_KEY: dev.sendgridApiKey,
    VONAGE_APPLICATION_ID: dev.vonageApplicationId,
    VONAGE_PRIVATE_KEY: dev.vonagePrivateKey,
    TEMPORAL_ADDRESS: 'localhost:7233',
  }

  it('npm start says development, whatever it is to use (Q2)', () => {
    const elsewhere = { DATABASE_URL: PRODUCTION['DATABASE_URL'], KAFKA_BROKERS: PRODUCTION['KAFKA_BROKERS'] }
    const addresses: Addresses = {
      httpHost: '127.0.0.1',
      httpPort: 8080,
      codecServerPort: 8081,
      simulatorPort: 8082,
      bankPort: 8083,
      databaseUrl: elsewhere.DATABASE_URL!,
      temporal: '127.0.0.1:7233',
      temporalIsGiven: false,
      kafka: elsewhere.KAFKA_BROKERS!,
      metricsPorts: {},
      uiOrigins: ['http://127.0.0.1:8233'],
    }
    expect(() => loadConfig(ALL, composeWholeEnvironment(addresses, dev, elsewhere))).not.toThrow()
    const production = { ...elsewhere, NODE_ENV: 'production' }
    expect(() => loadConfig(ALL, composeWholeEnvironment(addresses, dev, production))).toThrow(ConfigError)
  })

  it('a configuration of this machine is accepted', () => expect(refused(LOCAL)).toEqual([]))

  it.each([
    'DATABASE_URL',
    'KAFKA_BROKERS',
    'TEMPORAL_ADDRESS',
    'OTP_PUBLIC_URL',
    'SENDGRID_API_KEY',
    'VONAGE_PRIVATE_KEY',
  ])('and %s looks like production, it is asked for', (variable) => {
    const env = { ...PRODUCTION, ...LOCAL, [variable]: PRODUCTION[variable] }
    expect(() => loadConfig(ALL, env)).toThrow(`NODE_ENV: wants production, or development, beside ${variable}`)
    expect(refused({ ...LOCAL, [variable]: PRODUCTION[variable], NODE_ENV: 'development' })).toEqual([])
  })
})
