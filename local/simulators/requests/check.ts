/**
 * Holds a request against the schema of what its provider takes; where the schemas come from stands in README.md.
 */
import addFormats from 'ajv-formats'
import { Ajv2020, type AnySchema, type ErrorObject } from 'ajv/dist/2020.js'
import sendGridMailSend from './sendgrid-mail-send.json' with { type: 'json' }
import vonageSendSms from './vonage-send-sms.json' with { type: 'json' }

export interface Mistake {
  /** Where, as the providers write it: `personalizations.0.to`; empty for the whole. */
  readonly field: string
  /** In the words of JSON Schema. */
  readonly wants: string
}

/** @returns the mistakes of a body, one for each field; none for what the provider takes */
export type RequestCheck = (body: unknown) => Mistake[]

export function createRequestCheck(schema: AnySchema): RequestCheck {
  const ajv = new Ajv2020({ allErrors: true, strictTuples: false, strictTypes: false })
  addFormats.default(ajv)
  const validate = ajv.compile(schema)
  return (body) => (validate(body) ? [] : oneForEachField(validate.errors ?? []))
}

/** SendGrid's v3 Mail Send. */
export const mailSendMistakes = createRequestCheck(sendGridMailSend)
/** Vonage's Messages API, for an SMS. */
export const smsSendMistakes = createRequestCheck(vonageSendSms)

function oneForEachField(errors: readonly ErrorObject[]): Mistake[] {
  const mistakes = new Map<string, Mistake>()
  for (const { instancePath, params, message = 'is not valid' } of errors) {
    const { missingProperty, additionalProperty } = params as { missingProperty?: string; additionalProperty?: string }
    const path = [...instancePath.split('/').slice(1), missingProperty ?? additionalProperty].filter(
      (key) => key !== undefined,
    )
    const field = path.join('.')
    if (!mistakes.has(field)) mistakes.set(field, { field, wants: message })
  }
  return [...mistakes.values()]
}
