import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Prints which servers the suite runs against; a missing one is loud, and in CI a failure.
    globalSetup: 'test/servers/global-setup.ts',
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Two cores: more workers only fight over DuckDB's threads.
    maxWorkers: 2,
  },
})
