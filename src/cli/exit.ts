/**
 * How a run fails: one message with its cure on standard error, one JSON object on standard output where `--json` asks
 * for it, and the exit code of CONTRACT §1.
 *
 *   LakeError                         the code of its class, 2 to 8
 *   a command line that does not parse 2, with the nearest flag or verb
 *   Ctrl-C                            130 (SIGTERM: 143)
 *   anything else                     1: a bug of ours; its stack under LAKEWRIGHT_DEBUG
 */
import { CommanderError } from 'commander'
import { type ErrorCode, exitCodes, LakeError } from '../errors.js'
import { isClosedPipe, printJson, tell } from './output.js'
import type { Session } from './session.js'

/** Reports an error and returns the exit code. */
export async function failed(error: unknown, session: Session): Promise<number> {
  if (error instanceof Done) return 0
  if (isClosedPipe(error)) return 0
  const failure = describe(error, session)
  if (!(error instanceof HelpShown)) {
    tell(`error: ${failure.message}`)
    if (failure.fix) tell(`fix: ${failure.fix}`)
  }
  if (process.env.LAKEWRIGHT_DEBUG) tell(stacks(error))
  if (session.json) {
    const { code, message, fix } = failure
    await printJson({ status: 'failed', error: { code, message, ...(fix !== undefined && { fix }) } })
  }
  return failure.exitCode
}

/** A reader that went away is no failure: the work is done, or was stopped because nobody reads it. */
export function quitQuietly(error: unknown): number {
  if (isClosedPipe(error)) return 0
  throw error
}

/** What commander throws, as an error of ours; other errors stay as they are. */
export function usageError(error: unknown, args: string[]): unknown {
  if (!(error instanceof CommanderError)) return error
  if (error.exitCode === 0) return new Done()
  if (error.code === 'commander.help') return new HelpShown()
  // commander's second part is the cure: `(Did you mean --from?)` or `Allowed choices are strict, evolve.`
  const text = error.message.replace(/^error: /, '')
  const [, message = text, suggestion, choices] = /^(.*?)(?:\n\((.*)\)| (Allowed choices are .*))?$/s.exec(text) ?? []
  return new LakeError('invalid', message, { fix: suggestion ?? choices ?? usageFix(error.code, args) })
}

interface Failure {
  code: ErrorCode | 'bug' | 'interrupted'
  message: string
  fix: string | undefined
  exitCode: number
}

/** Help or the version was printed: nothing went wrong. */
class Done extends Error {}

/** The verb was missing, and commander has already printed the help. */
class HelpShown extends LakeError {
  constructor() {
    super('invalid', 'no verb was given', { fix: 'Run `lakewright --help` to see the verbs.' })
  }
}

function describe(error: unknown, session: Session): Failure {
  // An undecided commit stays what it is, interrupted or not: the caller has to look before a retry.
  const undecided = error instanceof LakeError && error.code === 'commit-unknown'
  if (session.interrupted !== undefined && !undecided) {
    return { code: 'interrupted', message: 'interrupted', fix: undefined, exitCode: session.interrupted }
  }
  if (error instanceof LakeError) {
    const { code, message, fix } = error
    return { code, message, fix, exitCode: exitCodes[code] }
  }
  const message = error instanceof Error ? error.message : String(error)
  const fix = 'This is a bug in lakewright: run again with LAKEWRIGHT_DEBUG=1 and report what it prints.'
  return { code: 'bug', message, fix, exitCode: 1 }
}

function usageFix(code: string, args: string[]): string {
  if (code === 'commander.excessArguments' && args.some((arg) => arg.startsWith('--from'))) {
    return "Repeat --from for each source, and quote a glob, so that the shell leaves it alone: --from 'dumps/*.csv'"
  }
  const verb = args.find((arg) => !arg.startsWith('-'))
  const known = code !== 'commander.unknownCommand' && verb !== undefined
  return `Run \`lakewright ${known ? `${verb} ` : ''}--help\` to see what it takes.`
}

function stacks(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const stack = error.stack ?? error.message
  return error.cause === undefined ? stack : `${stack}\ncaused by: ${stacks(error.cause)}`
}
