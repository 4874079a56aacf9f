/**
 * What a code typed by a caller looks like once it is readable again, and how it is hidden (C10).
 */
import type { Payload } from '@temporalio/common'

const REDACTED = '[redacted]'
/** 4 to 8 digits, of any width, with blanks and dashes between them as a person types them. */
const BARE_CODE = /^[\s\p{Pd}\u2212\u30FC]*(?:\p{Nd}[\s\p{Pd}\u2212\u30FC]*){4,8}$/u
const MAX_BARE_LENGTH = 64
/** A seal proves an outcome to a workflow: whoever could read it could type one. */
const SECRET_FIELDS = new Set(['code', 'seal'])

/**
 * Replaces codes in a decoded JSON payload: whatever stands as `code`, however deep and in whatever message, and a text
 * that is nothing but a code, since a message of the wrong shape holds one as well. Other payloads are left alone.
 */
export function redactCodes(payload: Payload): Payload {
  if (!payload.data || encodingOf(payload) !== 'json/plain') return payload
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(payload.data).toString('utf8'))
  } catch {
    return payload
  }
  return { ...payload, data: Buffer.from(redactedJson(value)) }
}

/** What is nested too deeply to be walked through could hide a code: none of it is shown. */
function redactedJson(value: unknown): string {
  try {
    return JSON.stringify(redact(value))
  } catch {
    return JSON.stringify(REDACTED)
  }
}

function redact(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(redact)
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([name, field]) => [name, isSecretField(name, field) ? REDACTED : redact(field)]),
    )
  }
  return isBareCode(value) ? REDACTED : value
}

const isSecretField = (name: string, field: unknown) =>
  SECRET_FIELDS.has(name.toLowerCase()) && (typeof field === 'string' || typeof field === 'number')

/** A number may be a count; only a text is taken for a code. */
const isBareCode = (value: unknown) =>
  typeof value === 'string' && value.length <= MAX_BARE_LENGTH && BARE_CODE.test(value)

const encodingOf = ({ metadata }: Payload) => {
  const encoding = metadata?.['encoding']
  return encoding && Buffer.from(encoding).toString('utf8')
}
