import { createHash, generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { DEVELOPMENT_KEY_PREFIX } from '../config.ts'

/** The secrets of one machine's development, as the environment variables want them (see config.ts). */
export interface DevelopmentKeys {
  /** What a caller of the API sends; the others are for our own processes. */
  readonly apiKey: string
  readonly apiCallers: string
  readonly masterKeys: string
  readonly codecKeys: string
  readonly ipHashKey: string
  readonly sendgridApiKey: string
  readonly vonageApplicationId: string
  readonly vonagePrivateKey: string
}

const SCOPES = [
  'challenges:start',
  'challenges:read',
  'challenges:verify',
  'challenges:cancel',
  'challenges:any',
  'deliverability:check',
]

const secret = () => randomBytes(32).toString('base64')
const development = (value: string) => `${DEVELOPMENT_KEY_PREFIX}${value}`

/** New secrets; production refuses them by their prefix (Q3). */
export function makeDevelopmentKeys(): DevelopmentKeys {
  const apiKey = development(randomBytes(24).toString('base64url'))
  const sha256 = createHash('sha256').update(apiKey).digest('hex')
  return {
    apiKey,
    apiCallers: `${development('local')}:${sha256}:${SCOPES.join('+')}`,
    masterKeys: `${development('master-1')}:${secret()}`,
    codecKeys: `${development('codec-1')}:${secret()}`,
    ipHashKey: secret(),
    sendgridApiKey: development(randomBytes(24).toString('base64url')),
    vonageApplicationId: randomUUID(),
    vonagePrivateKey: generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    }).privateKey,
  }
}

/** The secrets in `file`, which are made at the first call, for its owner's eyes only. */
export function developmentKeys(file: string): DevelopmentKeys {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as DevelopmentKeys
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
      throw new Error(`${file} cannot be read: mend it, or run npm run reset to begin anew`)
    }
    const keys = makeDevelopmentKeys()
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, JSON.stringify(keys, undefined, 2), { mode: 0o600 })
    return keys
  }
}
