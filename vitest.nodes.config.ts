/** The parts of the suite that need no server, on the other versions of Node.js that are supported. */
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: { include: ['test/nodes/**/*.test.ts'], testTimeout: 1_200_000, fileParallelism: false },
})
