/** Other versions of Node.js, as the npm package `node` ships them, to run the suite on all that we support. */
import { join } from 'node:path'
import { cached } from './cache.js'
import { run } from './process.js'

const pinned = { 22: '22.23.3', 24: '24.21.0' }

/** The path of a `node` binary of this major version. */
export async function nodeBinary(major: keyof typeof pinned): Promise<string> {
  const version = pinned[major]
  const folder = await cached(`node-${version}`, async (target) => {
    await run('npm', [
      ...['install', '--prefix', target, '--no-save', '--no-audit', '--no-fund', '--ignore-scripts=false'],
      `node@${version}`,
    ])
    const found = (await run(binary(target), ['--version'])).trim()
    if (found !== `v${version}`) throw new Error(`the npm package node@${version} brought Node.js ${found}`)
  })
  return binary(folder)
}

function binary(folder: string): string {
  return join(folder, 'node_modules', 'node', 'bin', 'node')
}
