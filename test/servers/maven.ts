/** What comes from Maven Central, through `mvn`, with whatever mirror or proxy its settings name. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cached, keyOf } from './cache.js'
import { onPath, run } from './process.js'

/** The folder with the jars that PySpark does not bring: `spark-jars.pom.xml`. */
export async function sparkJars(): Promise<string> {
  const pom = fileURLToPath(new URL('./spark-jars.pom.xml', import.meta.url))
  return cached(`spark-jars-${keyOf(await readFile(pom, 'utf8'))}`, async (target) => {
    await mvn('the jars for Spark', [
      ...['--file', pom, 'dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${target}`],
    ])
  })
}

/** Run `use` with the path of an artifact, which is gone afterwards. */
export async function withArtifact(
  { group, artifact, version, packaging }: Record<'group' | 'artifact' | 'version' | 'packaging', string>,
  use: (path: string) => Promise<void>,
): Promise<void> {
  // A repository of its own: the artifact may be near a gigabyte, too much to leave in somebody's ~/.m2.
  const repository = await mkdtemp(join(tmpdir(), 'lakewright-m2-'))
  try {
    const coordinates = `${group}:${artifact}:${version}:${packaging}`
    await mvn(coordinates, [
      ...[`-Dmaven.repo.local=${repository}`, 'dependency:get', `-Dartifact=${coordinates}`, '-Dtransitive=false'],
    ])
    await use(join(repository, ...group.split('.'), artifact, version, `${artifact}-${version}.${packaging}`))
  } finally {
    await rm(repository, { recursive: true, force: true })
  }
}

async function mvn(what: string, args: string[]): Promise<void> {
  if (!(await onPath('mvn'))) throw new Error(`${what} come from Maven Central, and there is no \`mvn\` on PATH`)
  if (!(await onPath('java'))) throw new Error(`${what} come from Maven Central, and \`mvn\` needs a \`java\` on PATH`)
  await run('mvn', ['--batch-mode', '--quiet', ...args])
}
