import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Foreign readers have a configuration of their own: `npm run test:interop`.
    exclude: ['test/interop/**', 'test/nodes/**', '**/node_modules/**'],
    // Prints which servers the suite runs against; a missing one is loud, and in CI a failure.
    globalSetup: 'test/servers/global-setup.ts',
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Two cores: more workers only fight over DuckDB's threads.
    maxWorkers: 2,
  },
})
