import { createHash, generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import {
  DEVELOPMENT_KEY_PREFIX,
  markedKey,
  markedPublicKey,
  markedUuid,
  RSA_MARK,
} from '../config/development-marks.ts'
import { SCOPES } from '../domain/scopes.ts'

/** The secrets of one machine's development, as the environment variables want them (see config.ts). */
export interface DevelopmentKeys {
  /** What a caller of the API sends; the others are for our own processes. */
  readonly apiKey: string
  /** What the demo mileage bank sends; it is a caller of its own. */
  readonly bankApiKey: string
  /** Signs the bank's session cookies. */
  readonly bankSessionKey: string
  readonly apiCallers: string
  readonly masterKeys: string
  readonly codecKeys: string
  readonly proofKeys: string
  readonly ipHashKey: string
  readonly sendgridApiKey: string
  readonly vonageApplicationId: string
  readonly vonagePrivateKey: string
  readonly vonageApiKey: string
  readonly vonageSignatureSecret: string
  /** The pair that the simulated SendGrid signs its webhook with; base64, PKCS #8 and SPKI. */
  readonly sendgridWebhookPrivateKey: string
  readonly sendgridWebhookPublicKey: string
}

const LOCAL_CALLER = `${DEVELOPMENT_KEY_PREFIX}local`
/** An upstream that is being developed listens on this machine, wherever it finds a port. */
export const DEVELOPMENT_RETURN_URLS = [
  `${LOCAL_CALLER}=http://127.0.0.1:*`,
  `${LOCAL_CALLER}=http://localhost:*`,
].join()

/** What the bank needs, and no more. */
const BANK_SCOPES = ['challenges:start', 'challenges:read', 'challenges:cancel', 'page-links:create']

const key = () => markedKey().toString('base64')
const secret = () => development(markedKey().toString('base64url'))
const development = (value: string) => `${DEVELOPMENT_KEY_PREFIX}${value}`

/** The bank's name among the callers, and so the audience of the proofs that it gets. */
export const BANK_CALLER = development('bank')

const callerWith = (name: string, apiKey: string, scopes: readonly string[]) =>
  `${name}:${createHash('sha256').update(apiKey).digest('hex')}:${scopes.join('+')}`
const callersWith = ({ apiKey, bankApiKey }: Pick<DevelopmentKeys, 'apiKey' | 'bankApiKey'>) =>
  [callerWith(LOCAL_CALLER, apiKey, Object.keys(SCOPES)), callerWith(BANK_CALLER, bankApiKey, BANK_SCOPES)].join(',')

/** New secrets; each carries a mark by which production refuses it, whatever it is called there (Q6). */
export function makeDevelopmentKeys(): DevelopmentKeys {
  const apiKey = secret()
  const bankApiKey = secret()
  const webhookPair = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  return {
    apiKey,
    bankApiKey,
    bankSessionKey: randomBytes(32).toString('base64'),
    apiCallers: callersWith({ apiKey, bankApiKey }),
    masterKeys: `${development('master-1')}:${key()}`,
    codecKeys: `${development('codec-1')}:${key()}`,
    proofKeys: `${development('proof-1')}:${key()}`,
    ipHashKey: key(),
    sendgridApiKey: secret(),
    vonageApplicationId: markedUuid(randomUUID()),
    vonagePrivateKey: generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicExponent: RSA_MARK,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    }).privateKey,
    vonageApiKey: development(markedKey(18).toString('base64url')),
    vonageSignatureSecret: secret(),
    sendgridWebhookPrivateKey: webhookPair.privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64'),
    sendgridWebhookPublicKey: markedPublicKey(webhookPair.publicKey),
  }
}

/**
 * The secrets in `file`, for its owner's eyes only. Those that it lacks are made and kept: all at the first call, and
 * where an older version made the file, the newer ones.
 */
export function developmentKeys(file: string): DevelopmentKeys {
  const made = makeDevelopmentKeys()
  const known = readKeys(file)
  // An older version knew fewer scopes.
  const keys = { ...made, ...known, apiCallers: callersWith({ ...made, ...known }) }
  if (Object.keys(made).some((name) => !(name in known))) {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, JSON.stringify(keys, undefined, 2), { mode: 0o600 })
  }
  return keys
}

function readKeys(file: string): Partial<DevelopmentKeys> {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Partial<DevelopmentKeys>
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw new Error(`${file} cannot be read: mend it, or run npm run reset to begin anew`)
  }
}
