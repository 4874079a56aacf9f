import { defineConfig } from 'vitest/config'
import { measureSpeed, patience } from './test/support/speed.ts'

/** These hold whole systems, or many challenges at once, to times: they have the machine to themselves, one by one. */
const ALONE = [
  'test/arrival-order.test.ts',
  'test/browser-newcomer.test.ts',
  'test/campaign-beside-challenges.test.ts',
  'test/fault-run.test.ts',
  'test/local-stack.test.ts',
  'test/nexus.test.ts',
  'test/processes.test.ts',
  'test/provider-pace.test.ts',
  'test/roles.test.ts',
]

// Before the parts are started, so that nothing of ours runs beside it.
await measureSpeed()

export default defineConfig({
  test: {
    globalSetup: 'test/support/global-setup.ts',
    pool: 'forks',
    maxWorkers: 2,
    // What a test waits for has limits of its own, which say more than these.
    testTimeout: patience(120),
    hookTimeout: patience(240),
    teardownTimeout: patience(30),
    retry: 0,
    // What is waited for in a browser may wait for the whole machine.
    expect: { poll: { timeout: patience(5) } },
    dangerouslyIgnoreUnhandledErrors: false,
    projects: [
      {
        extends: true,
        test: { name: 'rules', include: ['test/**/*.test.ts'], exclude: ALONE, sequence: { groupOrder: 0 } },
      },
      { extends: true, test: { name: 'machine', include: ALONE, fileParallelism: false, sequence: { groupOrder: 1 } } },
    ],
  },
})
