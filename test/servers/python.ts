/**
 * Python environments in the cache, one per requirements file, keyed by its text and by the Python that made it.
 *
 *   moto       moto.requirements.txt       an S3 server
 *   readers    readers.requirements.txt    deltalake, Polars, DuckDB, Spark, and a Java for Trino
 *
 * LAKEWRIGHT_PYTHON names the interpreter to make them with (default: `python3` on PATH).
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cached, keyOf } from './cache.js'
import { run } from './process.js'

export interface PythonEnvironment {
  /** The interpreter. Start programs with it (`python -m …`): the scripts in `bin/` remember the folder they were made in. */
  python: string
  /** Version by package, of what the requirements file names. */
  versions: Record<string, string>
}

export async function pythonEnvironment(name: 'moto' | 'readers' | 'bench'): Promise<PythonEnvironment> {
  const requirementsFile = fileURLToPath(new URL(`./${name}.requirements.txt`, import.meta.url))
  const requirements = await readFile(requirementsFile, 'utf8')
  const base = await basePython()
  const folder = await cached(`python-${name}-${keyOf(requirements + base.identity)}`, async (target) => {
    await run(base.python, ['-m', 'venv', target])
    await run(join(target, 'bin', 'python'), [
      ...['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input'],
      ...['--requirement', requirementsFile],
    ])
  })
  return { python: join(folder, 'bin', 'python'), versions: pinnedVersions(requirements) }
}

async function basePython(): Promise<{ python: string; identity: string }> {
  const python = process.env.LAKEWRIGHT_PYTHON ?? 'python3'
  const ask = 'import sys, ensurepip; print(sys.version, sys.base_prefix); sys.exit(sys.version_info < (3, 10))'
  try {
    return { python, identity: await run(python, ['-c', ask]) }
  } catch (cause) {
    throw new Error(`no usable Python (3.10 or later, with venv and pip) as \`${python}\``, { cause })
  }
}

function pinnedVersions(requirements: string): Record<string, string> {
  const pins = requirements.matchAll(/^([A-Za-z0-9_-]+)(?:\[[^\]]*\])?==(\S+)/gm)
  return Object.fromEntries([...pins].map(([, name = '', version = '']) => [name, version]))
}
