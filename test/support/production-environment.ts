/** A whole configuration that is fit for production, with keys of its own. */
import { createHash, generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto'

export const randomKey = () => randomBytes(32).toString('base64')

export const rsaKey = (publicExponent = 65_537) =>
  generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicExponent,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  }).privateKey

const hash = createHash('sha256').update(randomBytes(24)).digest('hex')
const webhookKey = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).publicKey

export const PRODUCTION: Readonly<Record<string, string>> = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgres://otp:p@db.example.jp:5432/otp?sslmode=verify-full',
  TEMPORAL_ADDRESS: 'otp.a1b2c.tmprl.cloud:7233',
  TEMPORAL_NAMESPACE: 'otp.a1b2c',
  TEMPORAL_API_KEY: randomBytes(24).toString('base64url'),
  KAFKA_BROKERS: 'kafka-1.example.jp:9093,kafka-2.example.jp:9093',
  KAFKA_SSL: 'true',
  KAFKA_SASL_MECHANISM: 'plain',
  KAFKA_SASL_USERNAME: 'otp',
  KAFKA_SASL_PASSWORD: randomBytes(24).toString('base64url'),
  OTP_API_KEYS: `booking:${hash}:challenges:start+challenges:read`,
  OTP_IP_HASH_KEY: randomKey(),
  OTP_PROOF_KEYS: `proof-2026:${randomKey()}`,
  OTP_CODEC_KEYS: `codec-2026:${randomKey()}`,
  OTP_MASTER_KEYS: `master-2026:${randomKey()}`,
  OTP_PUBLIC_URL: 'https://otp.jal.co.jp',
  OTP_RETURN_URLS: 'booking=https://www.example.jp/',
  OTP_TRUST_PROXY_HOPS: '1',
  OTP_JWT_ISSUER: 'https://issuer.example.jp/',
  OTP_JWT_AUDIENCE: 'otp',
  OTP_JWT_JWKS_URL: 'https://issuer.example.jp/jwks',
  OTP_CODEC_SERVER_HOST: '0.0.0.0',
  OTP_CODEC_SERVER_ORIGINS: 'https://temporal.example.jp',
  OTP_CODEC_SERVER_CALLERS: 'known',
  SENDGRID_API_KEY: `SG.${randomBytes(48).toString('base64url')}`,
  SENDGRID_WEBHOOK_PUBLIC_KEY: webhookKey.export({ type: 'spki', format: 'der' }).toString('base64'),
  VONAGE_API_KEY: randomBytes(4).toString('hex'),
  VONAGE_SIGNATURE_SECRET: randomBytes(36).toString('base64url'),
  VONAGE_APPLICATION_ID: randomUUID(),
  VONAGE_PRIVATE_KEY: rsaKey(),
}
