/**
 * Kafka's own producer, as most member systems use it: what it writes is what we have to read.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { openGuard } from '../../local/stack/guarded.ts'
import { findJars } from '../../local/stack/jars.ts'
import { kafkaBrokers } from './stack.ts'

const JARS = {
  name: "Kafka's tools",
  artifact: 'org.apache.kafka:kafka-tools:4.1.1',
  instead: 'run the other tests only',
}
const TOMBSTONE = 'NULL'

/** Writes the records as one batch. A value of null is a tombstone. */
export async function produceByJava(
  topic: string,
  codec: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd',
  records: readonly (readonly [key: string, value: string | null])[],
): Promise<void> {
  const properties = (option: string, values: Readonly<Record<string, string>>) =>
    Object.entries(values).flatMap(([name, value]) => [option, `${name}=${value}`])
  const size = String(200_000_000)
  await execa(
    'java',
    [
      '-XX:TieredStopAtLevel=1',
      '-cp',
      join(await findTools(), '*'),
      'org.apache.kafka.tools.ConsoleProducer',
      `--bootstrap-server=${kafkaBrokers().join(',')}`,
      `--topic=${topic}`,
      `--compression-codec=${codec}`,
      '--batch-size=1000000',
      '--timeout=2000',
      `--max-memory-bytes=${size}`,
      ...properties('--producer-property', { 'max.request.size': size }),
      ...properties('--property', { 'parse.key': 'true', 'key.separator': '\t', 'null.marker': TOMBSTONE }),
    ],
    { input: records.map(([key, value]) => `${key}\t${value ?? TOMBSTONE}\n`).join('') },
  )
}

async function findTools(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kafka-tools-'))
  const guard = await openGuard({ remove: folder })
  try {
    return await findJars(JARS, { env: process.env, guard, report: (line) => console.log(line) })
  } finally {
    await guard.close()
    await rm(folder, { recursive: true, force: true })
  }
}
