/** Programs built from the Go module proxy with `go install`, one version each, kept in the cache. */
import { readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { cached, withLock } from './cache.js'
import { onPath, run } from './process.js'

/** The path of the program that `module@version` builds. */
export async function goProgram(name: string, module: string, version: string): Promise<string> {
  const folder = await cached(`${name}-${version}`, async (target) => {
    if (!(await onPath('go'))) throw new Error(`${name} ${version} has to be built, and there is no \`go\` on PATH`)
    // One build at a time: each wants every core and gigabytes of memory.
    await withLock('go-build', () =>
      run('go', ['install', '-trimpath', `${module}@${version}`], { env: { GOBIN: target } }),
    )
    const [built] = await readdir(target)
    if (!built) throw new Error(`go install ${module}@${version} left no program`)
    await rename(join(target, built), join(target, name))
  })
  return join(folder, name)
}
