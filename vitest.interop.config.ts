/** Foreign readers and writers: deltalake, Polars, DuckDB's delta extension, Spark and Trino on tables of ours. */
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/interop/**/*.test.ts'],
    globalSetup: 'test/servers/global-setup.ts',
    // The AWS SDK tells every process on Node 20 that its releases of 2027 will need a later one.
    env: { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' },
    testTimeout: 300_000,
    hookTimeout: 1_800_000,
    // Spark and Trino want the machine for themselves.
    fileParallelism: false,
  },
})
