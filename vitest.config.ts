import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Foreign readers have a configuration of their own: `npm run test:interop`.
    exclude: ['test/interop/**', 'test/nodes/**', '**/node_modules/**'],
    // Prints which servers the suite runs against; a missing one is loud, and in CI a failure.
    globalSetup: 'test/servers/global-setup.ts',
    // The AWS SDK tells every process on Node 20 that its releases of 2027 will need a later one.
    env: { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' },
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Two cores: more workers only fight over DuckDB's threads.
    maxWorkers: 2,
  },
})
