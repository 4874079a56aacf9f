/**
 * Temporal's time-skipping test server, from Maven like Kafka: ten-minute timers in milliseconds.
 */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Connection } from '@temporalio/client'
import { TestWorkflowEnvironment } from '@temporalio/testing'
import { openGuard } from '../../local/stack/guarded.ts'
import { findJars } from '../../local/stack/jars.ts'
import { freePort } from '../../local/stack/ports.ts'
import { startProgram, whenReady } from '../../local/stack/program.ts'
import { clientDataConverter } from '../../temporal/connect.ts'
import type { KeyRing } from '../../config.ts'

const JARS = {
  name: "Temporal's test server",
  artifact: 'io.temporal:temporal-test-server:1.32.0',
  instead: 'run the other tests only',
}
/** temporal.api.enums.v1.IndexedValueType */
const KEYWORD = 2

export async function startTimeSkipping(codecKeys: KeyRing) {
  const folder = await mkdtemp(join(tmpdir(), 'time-skipping-'))
  const guard = await openGuard({ remove: folder })
  const jars = await findJars(JARS, { env: process.env, guard, report: (line) => console.log(line) })
  const port = await freePort()
  const logFile = join(folder, 'test-server.log')
  const server = await startProgram({
    name: JARS.name,
    command: 'java',
    args: ['-cp', join(jars, '*'), 'io.temporal.testserver.TestServer', String(port)],
    env: process.env,
    logFile,
    pidFile: join(folder, 'pid'),
    guard,
  })
  await whenReady(server, { name: JARS.name, logFile, attempt: () => answers(port) })
  // The SDK starts its server itself, and leaves it five seconds, which is little for Java on a slow machine. Ours listens
  // where the SDK looks; what it starts only waits to be ended.
  const placeholder = join(folder, 'placeholder')
  await writeFile(placeholder, '#!/bin/sh\nexec tail -f /dev/null\n')
  await chmod(placeholder, 0o755)
  const environment = await TestWorkflowEnvironment.createTimeSkipping({
    server: { executable: { type: 'existing-path', path: placeholder }, port },
    client: { dataConverter: clientDataConverter(codecKeys) },
  })
  await environment.connection.operatorService.addSearchAttributes({
    namespace: 'default',
    searchAttributes: { MemberId: KEYWORD, Purpose: KEYWORD, Channel: KEYWORD, Outcome: KEYWORD },
  })
  return {
    environment,
    async stop() {
      await environment.teardown()
      await guard.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function answers(port: number) {
  const connection = await Connection.connect({ address: `127.0.0.1:${port}`, connectTimeout: '2s' })
  await connection.close()
}
