/**
 * Our search attributes in a namespace (O1).
 */
import type { Connection } from '@temporalio/client'
import proto from '@temporalio/proto'
import { SEARCH_ATTRIBUTES } from '../workflows/search-attributes.ts'

const { IndexedValueType } = proto.temporal.api.enums.v1
const TYPES = {
  KEYWORD: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
  INT: IndexedValueType.INDEXED_VALUE_TYPE_INT,
} as const

/** Name and type of each. */
const WANTED = SEARCH_ATTRIBUTES.map(({ name, type }) => ({
  name,
  type: TYPES[type],
}))

/** @throws where the namespace is not known, or who asks may not */
export async function missingSearchAttributes(
  { operatorService }: Pick<Connection, 'operatorService'>,
  namespace: string,
): Promise<{ missing: string[]; ofOtherType: string[] }> {
  const { customAttributes } = await operatorService.listSearchAttributes({ namespace })
  const known = customAttributes ?? {}
  return {
    missing: WANTED.filter(({ name }) => known[name] === undefined).map(({ name }) => name),
    ofOtherType: WANTED.filter(({ name, type }) => known[name] !== undefined && known[name] !== type).map(
      ({ name }) => name,
    ),
  }
}

/**
 * Registers those that are missing. Safe to repeat.
 *
 * @returns which were missing
 * @throws where the namespace is not known, or who asks may not
 */
export async function registerSearchAttributes(
  connection: Pick<Connection, 'operatorService'>,
  namespace: string,
): Promise<string[]> {
  const { missing } = await missingSearchAttributes(connection, namespace)
  if (missing.length === 0) return []
  const searchAttributes = Object.fromEntries(
    WANTED.filter(({ name }) => missing.includes(name)).map(({ name, type }) => [name, type]),
  )
  await connection.operatorService.addSearchAttributes({ namespace, searchAttributes })
  return missing
}
