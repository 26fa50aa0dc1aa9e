/**
 * One run of the command line: whether it answers in JSON, and the signal that Ctrl-C aborts. The first SIGINT (or
 * SIGTERM) asks the verb to stop and clean up, the second ends the process at once.
 */
import { setMaxListeners } from 'node:events'
import { constants } from 'node:os'
import { LakeError } from '../errors.js'
import type { TableSettings } from '../index.js'
import { tell } from './output.js'

export interface Session {
  json: boolean
  signal: AbortSignal
  /** Set once a signal asked this run to stop: the exit code that says so. */
  interrupted?: number
  /** What a verb that did its work exits with; `verify` sets 7 where it found damage. */
  exitCode: number
}

/** A table as a verb's first argument names it. */
export interface TableName {
  url: string
  version?: number
  asOf?: string
}

export function openSession(json: boolean): Session {
  const controller = new AbortController()
  // Every request under way listens; that many are no leak.
  setMaxListeners(0, controller.signal)
  const session: Session = { json, signal: controller.signal, exitCode: 0 }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      const code = 128 + constants.signals[signal]
      if (session.interrupted !== undefined) process.exit(code)
      session.interrupted = code
      if (process.stderr.isTTY) tell('stopping; press Ctrl-C again to stop at once')
      controller.abort(new Error(`interrupted by ${signal}`))
    })
  }
  // What is read from a closed pipe is nobody's any more; writes to standard output report it to their caller.
  process.stdout.on('error', () => {})
  process.stderr.on('error', () => {})
  return session
}

/** What every verb passes to `openTable`: the signal, and warnings on standard error. */
export function tableSettings(session: Session): TableSettings {
  const log = (level: 'debug' | 'warn', message: string) => {
    if (level === 'warn') tell(`warning: ${message}`)
    else if (process.env.LAKEWRIGHT_DEBUG) tell(message)
  }
  return { signal: session.signal, components: { runtime: { log } } }
}

/** The table a verb reads: `orders`, `orders@12`, or `orders` with `--as-of`. */
export async function readableTable(text: string, asOf?: string): Promise<TableName> {
  const { parseTableUrl } = await import('../index.js')
  const { url, version } = parseTableUrl(text)
  if (version !== undefined && asOf !== undefined) {
    throw new LakeError('invalid', `\`${text}\` names a version and --as-of a time`, { fix: 'Give one of the two.' })
  }
  return { url, ...(version !== undefined && { version }), ...(asOf !== undefined && { asOf }) }
}

/** The table a verb changes or looks at as a whole: a version makes no sense there. */
export async function newestTable(text: string, verb: string): Promise<string> {
  const { parseTableUrl } = await import('../index.js')
  const { url, version } = parseTableUrl(text)
  if (version !== undefined) {
    throw new LakeError(
      'invalid',
      `\`${verb}\` works on the newest version, but \`${text}\` names version ${version}`,
      {
        fix: `Leave \`@${version}\` out.`,
      },
    )
  }
  return url
}
