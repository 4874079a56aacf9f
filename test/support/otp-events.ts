/**
 * Holds events to the schema that we publish (`kafka/otp-event.schema.json`), more strictly than a consumer should: nothing
 * that the schema does not name may go out.
 */
import { Ajv2020 } from 'ajv/dist/2020.js'
import { CloudEvent } from 'cloudevents'
import schema from '../../kafka/otp-event.schema.json' with { type: 'json' }
import { toCloudEvent } from '../../kafka/outbox-relay.ts'
import type { Sql } from '../../postgres/connect.ts'
import type { OutboxRow } from '../../postgres/outbox.ts'

const MOST_FINDINGS = 5

/** Every type that the schema has. */
export const PUBLISHED_TYPES: readonly string[] = Object.keys(schema.$defs).filter((name) => name.startsWith('otp.'))

const ajv = new Ajv2020({
  allowUnionTypes: true,
  strictTypes: false,
  strictRequired: false,
  schemas: { event: closed() },
})
const validators = new Map(PUBLISHED_TYPES.map((type) => [type, ajv.compile({ $ref: `event#/$defs/${type}` })]))

/** The schema, with no room for what it does not name. */
function closed() {
  const copy = structuredClone(schema) as { $defs: Record<string, Record<string, unknown>> }
  for (const type of PUBLISHED_TYPES) {
    const definition = copy.$defs[type] as { properties: { data: Record<string, unknown> } }
    Object.assign(definition, { unevaluatedProperties: false })
    definition.properties.data['unevaluatedProperties'] = false
  }
  return copy
}

/** What is wrong with an event, in words; nothing where it is as the schema says. */
export function faultsOf({ type, ...event }: { readonly type: string } & Readonly<Record<string, unknown>>): string[] {
  const validate = validators.get(type)
  if (validate === undefined) return [`${type} is not in the schema`]
  try {
    // The envelope, by the words of CloudEvents itself.
    new CloudEvent({ type, ...event }).validate()
  } catch (error) {
    return [`${type}: ${error instanceof Error ? error.message : 'is no CloudEvent'}`]
  }
  void validate({ type, ...event })
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) => `${type}${instancePath} ${message} ${JSON.stringify(params)}`,
  )
}

/**
 * Checks all that stands in the outbox, sent or not.
 *
 * @returns the types that there were
 * @throws where an event is not as we publish it
 */
export async function checkOutbox(sql: Sql): Promise<Set<string>> {
  const types = new Set<string>()
  const faults: string[] = []
  const rows = sql<OutboxRow[]>`
    select id, event_id as "eventId", type, subject, data, occurred_at as "occurredAt"
    from (select * from outbox union all select * from outbox_sent) as events`.cursor(1_000)
  for await (const batch of rows) {
    for (const row of batch) {
      types.add(row.type)
      if (faults.length < MOST_FINDINGS) faults.push(...faultsOf({ ...toCloudEvent(row) }))
    }
  }
  if (faults.length > 0) throw new Error(`events that are not as published:\n${faults.join('\n')}`)
  return types
}
