/**
 * Q3: bad configuration is refused at the start, all mistakes at once, each with the name of the variable and what it
 * wants. What production refuses beside: production-config.test.ts.
 */
import { spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { ConfigError, loadConfig } from '../config.ts'

const KEY = Buffer.alloc(32, 7).toString('base64')
const HASH = 'ab'.repeat(32)
const GOOD = {
  NODE_ENV: 'test',
  OTP_API_KEYS: `booking:${HASH}:challenges:start+challenges:read`,
  OTP_IP_HASH_KEY: KEY,
  OTP_PROOF_KEYS: `2026p:${KEY}`,
  DATABASE_URL: 'postgres://u:p@localhost:5432/otp',
  OTP_CODEC_KEYS: `2026a:${KEY}`,
  OTP_MASTER_KEYS: `2026b:${KEY},2026a:${KEY}`,
  KAFKA_BROKERS: 'a:9092,b:9092',
}
const ED25519 = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
const SECTIONS = [
  'http',
  'callers',
  'pages',
  'webhooks',
  'postgres',
  'temporal',
  'codes',
  'policy',
  'kafka',
  'log',
] as const
const mistakesOf = (env: Record<string, string>) => {
  try {
    loadConfig(SECTIONS, { ...GOOD, ...env })
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError)
    return (error as Error).message
  }
  throw new Error('it was accepted')
}

describe('good configuration', () => {
  it('has the defaults of the rules', () => {
    const { policy, codes, kafka } = loadConfig(SECTIONS, GOOD)
    expect(policy).toMatchObject({ ttlSeconds: 600, minLifeSeconds: 120, maxAttempts: 5, cooldownSeconds: 30 })
    expect(policy.smsCountries).toEqual(['JP'])
    expect(codes.masterKeys.current).toBe('2026b')
    expect([...codes.masterKeys.keys.keys()]).toEqual(['2026b', '2026a'])
    expect(kafka.brokers).toEqual(['a:9092', 'b:9092'])
  })

  it('treats an empty variable as one that is not set', () => {
    expect(loadConfig(SECTIONS, { ...GOOD, PORT: '' }).http.port).toBe(8080)
  })

  it('cannot be changed afterwards', () => {
    const config = loadConfig(SECTIONS, GOOD)
    expect(() => Object.assign(config.policy, { maxAttempts: 99 })).toThrow(TypeError)
  })

  it('gives a process nothing of a section that it did not ask for', () => {
    expect(Object.keys(loadConfig(['postgres'], GOOD))).toEqual(['postgres'])
  })
})

describe('who may call', () => {
  const TOKENS = {
    OTP_JWT_ISSUER: 'https://issuer.example/',
    OTP_JWT_AUDIENCE: 'otp',
    OTP_JWT_JWKS_URL: 'https://issuer.example/jwks',
  }

  it('is told by keys, by tokens, or by both; by neither is refused', () => {
    expect(loadConfig(SECTIONS, GOOD).callers).toMatchObject({ apiKeys: [{ name: 'booking' }], tokens: undefined })
    const tokens = { issuer: 'https://issuer.example/', audience: 'otp', jwksUrl: 'https://issuer.example/jwks' }
    expect(loadConfig(SECTIONS, { ...GOOD, ...TOKENS, OTP_API_KEYS: '' }).callers).toMatchObject({
      apiKeys: [],
      tokens,
    })
    expect(loadConfig(SECTIONS, { ...GOOD, ...TOKENS }).callers.apiKeys).toHaveLength(1)
    expect(mistakesOf({ OTP_API_KEYS: '' })).toContain('OTP_API_KEYS: ')
  })

  it.each(Object.keys(TOKENS))('by tokens wants %s too', (name) => {
    expect(mistakesOf({ ...TOKENS, [name]: '' })).toContain(`${name}: goes with`)
  })
})

describe('bad configuration', () => {
  it.each([
    ['PORT', '80a'],
    ['PORT', '70000'],
    ['PORT', '1.5'],
    ['DATABASE_URL', 'mysql://localhost/otp'],
    ['DATABASE_URL', 'localhost'],
    ['OTP_MASTER_KEYS', KEY],
    ['OTP_MASTER_KEYS', `a:${KEY},a:${KEY}`],
    ['OTP_MASTER_KEYS', 'a:c2hvcnQ='],
    ['OTP_MASTER_KEYS', `a b:${KEY}`],
    ['OTP_API_KEYS', 'booking:secret:challenges:start'],
    ['OTP_API_KEYS', `booking:${HASH}`],
    ['OTP_API_KEYS', `temporal:${HASH}:challenges:start`],
    ['OTP_API_KEYS', `oauth/booking:${HASH}:challenges:start`],
    ['OTP_API_KEYS', `booking:${HASH}:challenges:start+challenges:all`],
    ['OTP_IP_LIMIT_EXEMPT', '198.51.100.0'],
    ['OTP_IP_LIMIT_EXEMPT', '198.51.100.0/33'],
    ['OTP_IP_LIMIT_EXEMPT', '198.51.100.0/24,0.0.0.0/0'],
    ['OTP_IP_LIMIT_EXEMPT', '::/0'],
    ['OTP_ALLOW_PLAINTEXT', 'postgres,everything'],
    ['NODE_ENV', 'staging'],
    ['NODE_ENV', 'Production'],
    ['OTP_JWT_JWKS_URL', 'issuer.example/jwks'],
    ['OTP_JWT_JWKS_COOLDOWN_SECONDS', '0'],
    ['OTP_CALLER_REQUESTS_PER_SECOND', '-1'],
    ['OTP_PROOF_KEYS', 'a:c2hvcnQ='],
    ['OTP_PUBLIC_URL', 'otp.example.jp'],
    ['OTP_PUBLIC_URL', 'ftp://otp.example.jp'],
    ['OTP_PUBLIC_URL', 'https://otp.example.jp/pages'],
    ['OTP_PUBLIC_URL', 'https://user@otp.example.jp'],
    ['OTP_RETURN_URLS', 'https://bank.example/'],
    ['OTP_RETURN_URLS', 'bank=bank.example'],
    ['OTP_RETURN_URLS', 'bank=javascript:alert(1)'],
    ['OTP_RETURN_URLS', 'bank=https://bank.example:*/'],
    ['OTP_RETURN_URLS', 'bank=https://127.0.0.1.bank.example:*/'],
    ['OTP_RETURN_URLS', 'bank=https://user:secret@bank.example/'],
    ['OTP_RETURN_URLS', 'bank=https://bank.example/?next='],
    ['OTP_STEP_UP_SECONDS', '0'],
    ['OTP_TRUST_PROXY_HOPS', '-1'],
    ['KAFKA_BROKERS', 'kafka'],
    ['KAFKA_SSL', 'yes'],
    ['KAFKA_SASL_MECHANISM', 'plain'],
    ['OTP_CODE_TTL_SECONDS', '601'],
    ['OTP_CODE_DIGITS', '3'],
    ['OTP_MAX_ATTEMPTS', '0'],
    ['OTP_SMS_COUNTRIES', 'JPN'],
    ['OTP_LOG_LEVEL', 'loud'],
  ])('names %s and does not repeat what it was', (name, value) => {
    const message = mistakesOf({ [name]: value })
    expect(message).toContain(`${name}: `)
    expect(message).toMatch(/wants|goes with/)
    expect(message).not.toContain(value.length > 5 ? value : `'${value}'`)
  })

  it.each([
    ['TEMPORAL_CONFIG_FILE', { TEMPORAL_CONFIG_FILE: '/nowhere/temporal.toml' }],
    ['TEMPORAL_PROFILE', { TEMPORAL_PROFILE: 'nobody' }],
  ])('is a profile of Temporal that cannot be read: %s', (name, env) => {
    expect(mistakesOf(env)).toMatch(new RegExp(`TEMPORAL_…: .*cannot be read: .*${name}`))
    // Who does not speak to Temporal does not mind.
    expect(loadConfig(['postgres'], { ...GOOD, ...env }).postgres.poolSize).toBe(10)
  })

  it('is told all at once', () => {
    const message = mistakesOf({ PORT: 'x', DATABASE_URL: 'y', OTP_MASTER_KEYS: 'z', OTP_MAX_ATTEMPTS: '-1' })
    for (const name of ['PORT', 'DATABASE_URL', 'OTP_MASTER_KEYS', 'OTP_MAX_ATTEMPTS']) {
      expect(message).toContain(`${name}: `)
    }
  })

  it('is a webhook key that is none, and a secret without its account', () => {
    for (const key of ['AAAA', 'not base64', ED25519]) {
      expect(mistakesOf({ SENDGRID_WEBHOOK_PUBLIC_KEY: key })).toContain('SENDGRID_WEBHOOK_PUBLIC_KEY: ')
    }
    expect(mistakesOf({ VONAGE_SIGNATURE_SECRET: 'x'.repeat(32) })).toContain('VONAGE_API_KEY: ')
    expect(mistakesOf({ VONAGE_SIGNATURE_SECRET: 'short', VONAGE_API_KEY: 'a' })).toContain('VONAGE_SIGNATURE_SECRET: ')
  })

  it('is a life that ends before a send may begin', () => {
    expect(mistakesOf({ OTP_CODE_TTL_SECONDS: '60' })).toContain('OTP_CODE_MIN_LIFE_SECONDS: ')
  })

  const loadWorker = (more: object) =>
    loadConfig(['providers', 'codes', 'policy'], {
      ...GOOD,
      SENDGRID_API_KEY: 'x',
      VONAGE_APPLICATION_ID: '7d3a5c2e-1111-4222-8333-444455556666',
      VONAGE_PRIVATE_KEY: '-----BEGIN PRIVATE KEY-----',
      ...more,
    })

  it('ends an SMS with the host of the pages by default', () => {
    const page = { OTP_PUBLIC_URL: 'https://otp.jal.co.jp:8443' }
    const hostOf = (more: object) => loadWorker(more).providers.originHost
    expect(hostOf({})).toBe('www.jal.co.jp')
    expect(hostOf(page)).toBe('otp.jal.co.jp')
    expect(loadConfig(['messages'], { NODE_ENV: 'test', ...page }).messages.originHost).toBe('otp.jal.co.jp')
    const other = { ...page, OTP_ORIGIN_HOST: 'www.jal.co.jp' }
    expect(hostOf(other)).toBe('www.jal.co.jp')
    expect(() => loadWorker({ OTP_PUBLIC_URL: 'https://one-time-passwords.example.co.jp' })).toThrow('one segment in')
  })

  it('is a host or a code length with which an SMS does not fit one segment', () => {
    const load = (more: object) => () => loadWorker(more)
    expect(load({})).not.toThrow()
    expect(load({ OTP_ORIGIN_HOST: 'one-time-passwords.example.co.jp' })).toThrow('OTP_ORIGIN_HOST: wants a shorter')
    expect(load({ OTP_ORIGIN_HOST: 'www.example.co.jp', OTP_CODE_DIGITS: '8' })).toThrow('one segment in')
  })

  it.each(['api/main.ts', 'workers/challenge-worker.ts', 'workers/member-consumer.ts', 'workers/outbox-relay.ts'])(
    'ends %s with code 2, having named every variable that it lacks',
    (entrance) => {
      const { status, stdout, stderr } = spawnSync(process.execPath, [entrance], {
        env: { PATH: process.env['PATH'] },
        encoding: 'utf8',
      })
      expect(status).toBe(2)
      expect(`${stdout}${stderr}`).toContain('DATABASE_URL: wants')
      expect(`${stdout}${stderr}`).not.toContain('    at ')
    },
  )
})
