import { spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { exitCodes } from '../../src/errors.js'
import { buildCli, type Run } from './build.js'
import { failure } from './contract.js'

describe('a failure', () => {
  it.each(Object.entries(exitCodes))(
    'of class %s exits with %i, message and fix on standard error',
    async (code, exit) => {
      const run = await failing(`new LakeError('${code}', 'it broke', { fix: 'Mend it.', key: 'a/b' })`, false)
      expect(run).toMatchObject({ code: exit, stdout: '', stderr: 'error: it broke: key=`a/b`\nfix: Mend it.\n' })
      const inJson = await failing(`new LakeError('${code}', 'it broke', { fix: 'Mend it.' })`, true)
      expect(inJson.code).toBe(exit)
      expect(failure.parse(JSON.parse(inJson.stdout))).toEqual({
        status: 'failed',
        error: { code, message: 'it broke', fix: 'Mend it.' },
      })
    },
  )

  it('that nobody foresaw exits 1, and shows its stack under LAKEWRIGHT_DEBUG alone', async () => {
    const error = `new TypeError('x is not a function', { cause: new Error('the root') })`
    const run = await failing(error, false)
    expect(run.code).toBe(1)
    expect(run.stderr).toMatch(/^error: x is not a function\nfix: .*LAKEWRIGHT_DEBUG/)
    expect(run.stderr).not.toContain('    at ')
    const debug = await failing(error, false, { LAKEWRIGHT_DEBUG: '1' })
    expect(debug.stderr).toContain('    at ')
    expect(debug.stderr).toContain('caused by: Error: the root')
    const inJson = await failing(error, true)
    expect(JSON.parse(inJson.stdout)).toMatchObject({ status: 'failed', error: { code: 'bug' } })
  })

  it('after Ctrl-C exits 130, whatever the abort made fail, but an undecided commit stays undecided', async () => {
    const run = await failing(`new LakeError('unavailable', 'aborted')`, true, {}, 130)
    expect(run.code).toBe(130)
    expect(JSON.parse(run.stdout)).toEqual({ status: 'failed', error: { code: 'interrupted', message: 'interrupted' } })
    expect((await failing(`new LakeError('commit-unknown', 'no answer')`, true, {}, 130)).code).toBe(6)
  })

  it('because the reader of standard output went away is none', async () => {
    const run = await failing(`Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })`, true)
    expect(run).toMatchObject({ code: 0, stdout: '', stderr: '' })
  })
})

/** Reports an error, made by the expression, in a process of its own. */
async function failing(
  error: string,
  json: boolean,
  env: Record<string, string> = {},
  interrupted?: number,
): Promise<Run> {
  const dist = dirname(dirname(await buildCli()))
  const script = `
    import { failed } from ${JSON.stringify(pathToFileURL(join(dist, 'cli/exit.js')))}
    import { LakeError } from ${JSON.stringify(pathToFileURL(join(dist, 'errors.js')))}
    const session = { json: ${json}, signal: new AbortController().signal, exitCode: 0, interrupted: ${interrupted} }
    process.exitCode = await failed(${error}, session)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    cwd: tmpdir(),
    env: { ...process.env, LAKEWRIGHT_DEBUG: '', ...env },
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk) => (stdout += chunk))
  child.stderr.on('data', (chunk) => (stderr += chunk))
  return new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr })))
}
