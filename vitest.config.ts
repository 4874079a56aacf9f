import { defineConfig } from 'vitest/config'

/** These hold whole systems, or many challenges at once, to times: they have the machine to themselves, one by one. */
const ALONE = [
  'test/arrival-order.test.ts',
  'test/browser-newcomer.test.ts',
  'test/campaign-beside-challenges.test.ts',
  'test/fault-run.test.ts',
  'test/local-stack.test.ts',
  'test/nexus.test.ts',
  'test/provider-pace.test.ts',
  'test/roles.test.ts',
]

export default defineConfig({
  test: {
    globalSetup: 'test/support/global-setup.ts',
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    teardownTimeout: 30_000,
    retry: 0,
    // What is waited for in a browser may wait for the whole machine.
    expect: { poll: { timeout: 5_000 } },
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
