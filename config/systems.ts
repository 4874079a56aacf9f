/** What our processes share: Postgres, Temporal and Kafka. */
import { z } from 'zod'
import { boolean, int, keyRing, list, text } from './values.ts'

const PLAINTEXT = {
  /** What production may reach across a network without TLS: where something else encrypts the way, as a service mesh does. */
  OTP_ALLOW_PLAINTEXT: list(/^(postgres|kafka|temporal)$/, 'wants some of postgres,kafka,temporal').default([]),
}

export const postgres = z
  .object({
    DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/, error: 'wants postgres://user:password@host:port/database' }),
    OTP_DATABASE_POOL_SIZE: int(1, 100, 10),
    OTP_ALLOW_PLAINTEXT: PLAINTEXT.OTP_ALLOW_PLAINTEXT,
  })
  .transform((v) => ({ url: v.DATABASE_URL, poolSize: v.OTP_DATABASE_POOL_SIZE }))

const BUILD_ID = 'wants a name such as 2026-12-01.1 or a commit'

/**
 * Temporal's address, TLS and API key are read by the SDK's own profile loader (`@temporalio/envconfig`), of which the first
 * three here are the ones most used.
 */
export const temporal = z
  .object({
    TEMPORAL_ADDRESS: text('wants host:port').optional(),
    TEMPORAL_NAMESPACE: text('wants the name of a namespace').optional(),
    TEMPORAL_API_KEY: text('wants an API key of Temporal Cloud').optional(),
    OTP_ALLOW_PLAINTEXT: PLAINTEXT.OTP_ALLOW_PLAINTEXT,
    OTP_CODEC_KEYS: keyRing,
    /** How often the sweep looks for what no process finished. */
    OTP_SWEEP_INTERVAL_SECONDS: int(1, 3_600, 30),
    /** Names what is deployed, for Worker Versioning (docs/deploying.md); without it, workers have no versions. */
    OTP_BUILD_ID: z
      .string({ error: BUILD_ID })
      .regex(/^[A-Za-z0-9._-]{1,64}$/, BUILD_ID)
      .optional(),
  })
  .transform((v) => ({
    codecKeys: v.OTP_CODEC_KEYS,
    sweepIntervalSeconds: v.OTP_SWEEP_INTERVAL_SECONDS,
    ...(v.OTP_BUILD_ID !== undefined && { buildId: v.OTP_BUILD_ID }),
  }))

export const kafka = z
  .object({
    KAFKA_BROKERS: list(/^[^\s:,]+:\d{1,5}$/, 'wants host:port[,host:port…]'),
    KAFKA_SSL: boolean.default(false),
    OTP_ALLOW_PLAINTEXT: PLAINTEXT.OTP_ALLOW_PLAINTEXT,
    KAFKA_SASL_MECHANISM: z
      .enum(['plain', 'scram-sha-256', 'scram-sha-512'], { error: 'wants plain, scram-sha-256 or scram-sha-512' })
      .optional(),
    KAFKA_SASL_USERNAME: text('wants a name').optional(),
    KAFKA_SASL_PASSWORD: text('wants a password').optional(),
  })
  .superRefine((v, context) => {
    const given = [v.KAFKA_SASL_MECHANISM, v.KAFKA_SASL_USERNAME, v.KAFKA_SASL_PASSWORD]
    if (given.some(Boolean) && !given.every(Boolean)) {
      context.addIssue({
        code: 'custom',
        path: ['KAFKA_SASL_MECHANISM'],
        message: 'goes with KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD: set all three or none',
      })
    }
  })
  .transform((v) => ({
    brokers: v.KAFKA_BROKERS,
    ssl: v.KAFKA_SSL,
    sasl: v.KAFKA_SASL_MECHANISM && {
      mechanism: v.KAFKA_SASL_MECHANISM,
      username: v.KAFKA_SASL_USERNAME!,
      password: v.KAFKA_SASL_PASSWORD!,
    },
  }))
