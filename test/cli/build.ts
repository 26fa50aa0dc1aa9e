/**
 * The real command line for tests: compiled once for the present state of `src/`, run as a process of its own.
 *
 * Test files run in workers of their own; whoever comes first compiles into a folder named by the sources' content, so
 * that the others, and the next run on the same sources, find it.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** Compiles `src/` where needed and returns the path of the compiled `cli/main.js`. */
export function buildCli(): Promise<string> {
  building ??= build()
  return building
}

export interface Run {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

export interface RunOptions {
  cwd?: string
  env?: Record<string, string>
  /** Standard input; null leaves it open. */
  input?: string | null
  /** Called as soon as the process runs, to send it signals. */
  started?: (child: ChildProcess) => void
}

export async function lakewright(args: string[], options: RunOptions = {}): Promise<Run> {
  const main = await buildCli()
  const child = spawn(process.execPath, [main, ...args], {
    cwd: options.cwd ?? tmpdir(),
    env: { ...process.env, LAKEWRIGHT_DEBUG: '', ...options.env },
    stdio: 'pipe',
  })
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
  // A process that ends without reading its input closes the pipe under us.
  child.stdin.on('error', () => {})
  if (options.input !== null) child.stdin.end(options.input ?? '')
  options.started?.(child)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      resolve({ code, signal, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() })
    })
  })
}

/** The one JSON object that `--json` promises on standard output. */
export function json(run: Run): unknown {
  if (!/^[^\n]*\n$/.test(run.stdout)) throw new Error(`not one line of JSON: ${run.stdout}\n${run.stderr}`)
  return JSON.parse(run.stdout)
}

const repository = fileURLToPath(new URL('../..', import.meta.url))
let building: Promise<string> | undefined

async function build(): Promise<string> {
  const builds = join(tmpdir(), 'lakewright-cli')
  const home = join(builds, await sourcesDigest())
  const main = join(home, 'dist/cli/main.js')
  if (await exists(main)) return main
  await mkdir(builds, { recursive: true })
  await removeOld(builds)
  const folder = await mkdtemp(join(builds, 'build-'))
  await copyFile(join(repository, 'package.json'), join(folder, 'package.json'))
  await symlink(join(repository, 'node_modules'), join(folder, 'node_modules'), 'junction')
  const tsc = join(repository, 'node_modules/typescript/bin/tsc')
  const config = join(repository, 'tsconfig.build.json')
  // Types are checked on their own; here only the code matters.
  const options = [
    '-p',
    config,
    '--noCheck',
    '--emitDeclarationOnly',
    'false',
    '--declaration',
    'false',
    '--outDir',
    join(folder, 'dist'),
  ]
  await promisify(execFile)(process.execPath, [tsc, ...options]).catch((error: Error & { stdout?: string }) => {
    throw new Error(`src/ does not compile: ${error.stdout || error.message}`)
  })
  // The first to finish wins; another worker has compiled the same.
  await rename(folder, home).catch(() => rm(folder, { recursive: true, force: true }))
  return main
}

async function sourcesDigest(): Promise<string> {
  const hash = createHash('sha256').update(repository)
  const entries = await readdir(join(repository, 'src'), { recursive: true })
  for (const entry of entries.filter((name) => name.endsWith('.ts')).sort()) {
    hash.update(entry).update(await readFile(join(repository, 'src', entry)))
  }
  return hash
    .update(await readFile(join(repository, 'package.json')))
    .digest('hex')
    .slice(0, 16)
}

/** Builds of yesterday's sources. */
async function removeOld(builds: string): Promise<void> {
  for (const name of await readdir(builds)) {
    const path = join(builds, name)
    const { mtimeMs } = await stat(path)
    if (mtimeMs < Date.now() - 24 * 3600 * 1000) await rm(path, { recursive: true, force: true })
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
