/**
 * Temporal's time-skipping test server, from Maven like Kafka: ten-minute timers in milliseconds.
 */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TestWorkflowEnvironment } from '@temporalio/testing'
import { openGuard } from '../../local/stack/guarded.ts'
import { findJars } from '../../local/stack/jars.ts'
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
  const launcher = join(folder, 'test-server')
  await writeFile(launcher, `#!/bin/sh\nexec java -cp '${join(jars, '*')}' io.temporal.testserver.TestServer "$@"\n`)
  await chmod(launcher, 0o755)
  const environment = await TestWorkflowEnvironment.createTimeSkipping({
    server: { executable: { type: 'existing-path', path: launcher } },
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
