/** The suite without servers, run by the other supported versions of Node.js. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { nodeBinary } from '../servers/node.js'

const repository = fileURLToPath(new URL('../..', import.meta.url))
const vitest = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url))

/** They need servers, or take long over what does not depend on Node: which rows a load makes. */
const others = ['servers', 'race', 'crash', 'property']

test.each([22, 24] as const)('the suite passes on Node %i', async (major) => {
  const node = await nodeBinary(major)
  const env = {
    ...process.env,
    LAKEWRIGHT_TEST_SERVERS: 'none',
    CI: '',
    PATH: `${node.replace(/\/node$/, '')}:${process.env.PATH}`,
  }
  const args = [vitest, 'run', '--reporter=dot', ...others.flatMap((folder) => ['--exclude', `test/${folder}/**`])]
  const child = spawn(node, args, { cwd: repository, env, stdio: ['ignore', 'inherit', 'inherit'] })
  const code = await new Promise((resolve) => child.on('close', resolve))
  expect(code).toBe(0)
})
