/**
 * Child processes that never outlive their parent, and servers made of them.
 *
 * Each child runs beside a small `sh` that reads a pipe from us, its leash. However we end (return, SIGINT, SIGKILL),
 * the pipe closes, and the shell ends the child with everything it started and removes its scratch folder.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { access, constants, mkdir, mkdtemp, readFile } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Child {
  process: ChildProcess
  hasEnded(): boolean
  /** End the child and what it started; resolves when its scratch folder is gone too. */
  stop(): Promise<void>
  /** The last lines the child wrote to standard error, and to standard output where that is not a pipe. */
  log(): Promise<string>
}

export interface ChildOptions {
  env?: Record<string, string | undefined>
  /** With `pipe`, standard input and output are ours to talk through. */
  talk?: 'ignore' | 'pipe'
}

/** Start the program and arguments that `command(scratch)` names; the scratch folder is the child's own. */
export async function startChild(
  name: string,
  command: (scratch: string) => string[] | Promise<string[]>,
  { env, talk = 'ignore' }: ChildOptions = {},
): Promise<Child> {
  const scratch = await mkdtemp(join(tmpdir(), `lakewright-${name}-`))
  const logFile = join(scratch, 'log')
  const argv = await command(scratch)
  const log = openSync(logFile, 'a')
  const child = spawn('/bin/sh', ['-c', keeper, 'sh', scratch, ...argv], {
    stdio: [talk, talk === 'pipe' ? 'pipe' : log, log, 'pipe'],
    cwd: scratch,
    env: { ...process.env, ...env },
    detached: true,
  })
  closeSync(log)
  let ended = false
  child.once('exit', () => {
    ended = true
  })
  const leash = child.stdio[3] as Socket
  const released = new Promise<void>((resolve) => leash.once('close', () => resolve()))
  leash.on('error', () => {})
  leash.resume()
  // A forgotten child must not keep us from exiting: the leash ends it then.
  child.unref()
  leash.unref()
  return {
    process: child,
    hasEnded: () => ended,
    stop() {
      leash.ref()
      leash.end()
      return released
    },
    log: async () => (await readFile(logFile, 'utf8').catch(() => '')).split('\n').slice(-40).join('\n'),
  }
}

// Descriptor 3 is the leash. `sh` gives its background commands no standard input unless it is handed over, hence 4.
// The outer shell outlives the TERM that its group gets, to reap the child. The inner one stays when the child ends by
// itself, so that its log can still be read.
const keeper = `
scratch=$1; shift
exec 4<&0
"$@" <&4 3<&- 4<&- &
child=$!
(
  trap '' TERM
  exec 4<&- </dev/null >/dev/null 2>&1
  read -r _ <&3
  kill -TERM 0
  tries=0
  while kill -0 $child && [ $tries -lt 50 ]; do sleep 0.1; tries=$((tries + 1)); done
  rm -rf "$scratch"
  kill -KILL 0
) &
exec 3<&- 4<&-
trap : TERM
wait $child
while kill -0 $child 2>/dev/null; do wait $child; done
`

export interface Server {
  name: string
  version: string
  /** `http://127.0.0.1:port` */
  endpoint: string
  stop(): Promise<void>
}

export interface ServerRecipe {
  name: string
  version: string
  /** Program and arguments, for this port and this empty data folder. */
  command: (port: number, data: string) => string[] | Promise<string[]>
  /** The path that answers 200 when the server is ready, or a question of its own. */
  health: string | ((endpoint: string) => Promise<boolean>)
  env?: Record<string, string | undefined>
  timeoutMs?: number
}

/** Start a server on a free loopback port and wait until it is healthy. */
export async function startServer(recipe: ServerRecipe): Promise<Server> {
  const { name, version, timeoutMs = 30_000 } = recipe
  // Somebody else may take the free port before the server binds it: then the server ends at once, and we try anew.
  for (let attempt = 1; ; attempt++) {
    const port = await freePort()
    const endpoint = `http://127.0.0.1:${port}`
    const child = await startChild(
      name,
      async (scratch) => {
        const data = join(scratch, 'data')
        await mkdir(data)
        return recipe.command(port, data)
      },
      { env: recipe.env },
    )
    const state = await waitUntilHealthy(child, endpoint, recipe.health, timeoutMs)
    if (state === 'healthy') return { name, version, endpoint, stop: child.stop }
    const log = await child.log()
    await child.stop()
    if (state === 'ended' && attempt < 3) continue
    throw new Error(`${name} ${version} did not start (${state}). Its log:\n${log}`)
  }
}

async function waitUntilHealthy(
  child: Child,
  endpoint: string,
  health: ServerRecipe['health'],
  timeoutMs: number,
): Promise<'healthy' | 'ended' | 'late'> {
  const ask = typeof health === 'function' ? health : (base: string) => answersOk(base + health)
  for (const deadline = Date.now() + timeoutMs; Date.now() < deadline; await sleep(50)) {
    if (child.hasEnded()) return 'ended'
    if (await ask(endpoint).catch(() => false)) return 'healthy'
  }
  return 'late'
}

async function answersOk(url: string): Promise<boolean> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(2_000) })
  await answer.arrayBuffer()
  return answer.ok
}

/** A loopback port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => (address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port'))))
    })
  })
}

/** Run a program to its end and return its standard output; its standard error is shown only if it fails. */
export function run(
  command: string,
  args: string[],
  { env, cwd }: { env?: Record<string, string | undefined>; cwd?: string } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    let out = ''
    let err = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err = (err + text).slice(-8_000)
    })
    child.once('error', reject)
    child.once('close', (code, signal) => {
      if (code === 0) resolve(out)
      else reject(new Error(`${command} ${args.join(' ')} failed (${signal ?? code}):\n${out.slice(-4_000)}${err}`))
    })
  })
}

/** The full path of a program on PATH, or undefined. */
export async function onPath(program: string): Promise<string | undefined> {
  for (const folder of (process.env.PATH ?? '').split(delimiter).filter(Boolean)) {
    const path = join(folder, program)
    const usable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (usable) return path
  }
  return undefined
}
