import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildCli, json, lakewright } from './build.js'

const verbs = ['append', 'replace', 'overwrite', 'query', 'show', 'history', 'set', 'verify', 'ddl']

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lakewright-main-'))
  await buildCli()
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('help', () => {
  it('lists every verb of this release, on standard output', async () => {
    const run = await lakewright(['--help'])
    expect(run).toMatchObject({ code: 0, stderr: '' })
    for (const verb of verbs) expect(run.stdout).toMatch(new RegExp(`^  ${verb} <table>`, 'm'))
  })

  it.each(verbs)('of %s describes it and has examples, also as `help %s`', async (verb) => {
    const run = await lakewright([verb, '--help'])
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toMatch(new RegExp(`^Usage: lakewright ${verb} <table>`))
    expect(run.stdout.match(/^ {2}\$ .*lakewright /gm)?.length).toBeGreaterThanOrEqual(2)
    expect(await lakewright(['help', verb])).toEqual(run)
  })

  it('names the default of every flag of a load that has one', async () => {
    const { stdout } = await lakewright(['replace', '--help'])
    for (const flag of 'format delimiter quote escape encoding skip-rows schema on-conflict on-reject memory threads'.split(
      ' ',
    )) {
      const text = new RegExp(`--${flag} (.*\\n(?: {20,}.*\\n)*)`).exec(stdout)?.[1] ?? ''
      expect(text, flag).toMatch(/\(default:/)
    }
  })

  it('shows a flag only where it applies', async () => {
    const [append, replace, overwrite] = await Promise.all(
      ['append', 'replace', 'overwrite'].map(async (verb) => (await lakewright([verb, '--help'])).stdout),
    )
    expect([append, replace, overwrite].map((text) => text?.includes('--scope'))).toEqual([false, true, false])
    expect([append, replace, overwrite].map((text) => text?.includes('--allow-empty'))).toEqual([false, false, true])
    const { stdout } = await lakewright(['scd2', '--help'])
    expect(stdout).toContain('--effective-at')
    expect(stdout).not.toContain('--op-column')
  })

  it('prints the version of the package', async () => {
    const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'))
    expect(await lakewright(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: '' })
  })

  it('without a verb goes to standard error, exit 2', async () => {
    const run = await lakewright([])
    expect(run).toMatchObject({ code: 2, stdout: '' })
    expect(run.stderr).toContain('Usage: lakewright')
  })
})

describe('a command line that does not parse', () => {
  it.each([
    [['apend', 't'], 'unknown command', 'append'],
    [['append', 't', '--form', 'x.csv'], '--form', '--from'],
    [['replace', 't', '--from', 'x.csv', '--partition_by', 'dt'], '--partition_by', '--partition-by'],
    [['append', 't', '--from', 'x.csv', '--schema', 'loose'], '--schema', 'strict, evolve'],
    [['append', 't', '--from', 'x.csv', '--schema', 'replace'], '--schema', 'strict, evolve'],
    [['append', 't', '--from', 'x.csv', '--threads', '0'], '--threads', '--threads 1'],
    [['append', 't', '--from', 'x.csv', '--types', 'a'], '--types', 'decimal(12,2)'],
    [['append', 't', '--from', 'x.csv', '--types', 'a=int', '--types', 'a=int'], '`a` twice', 'one of the two'],
    [['append', 't'], 'what to load', '--from'],
    [['append'], "'table'", 'append --help'],
    [['append', 't', '--from', 'a.csv', '--on-duplicate', 'last'], '`onDuplicate` belongs to `merge`', 'docs/modes.md'],
    [['merge', 't', '--from', 'a.csv', '--track', 'a'], '`track` belongs to `scd2`', 'docs/modes.md'],
    [['sync', 't', '--from', 'a.csv', '--max-delete-ratio', '2'], 'no share', '10%'],
    [['delete', 't'], 'which rows to delete', '--where'],
    [['append', 't', '--from', 'a.csv', 'b.csv'], 'too many arguments', "--from '"],
    [['show', 't', '--partitions', '--files'], 'cannot be used with', 'show --help'],
    [['set', 't', 'key'], 'name=value', 'key=id'],
    [['ddl', 't'], 'which engine', '--for duckdb'],
    [['ddl', 't', '--for', 'hive'], 'hive', 'athena'],
    [['query', 't', 'select 1', '--out', 'x.txt'], 'x.txt', '--output'],
    [['query', 't', 'select 1', '--out', 'no-such-folder/x.csv'], 'no-such-folder', 'Make the folder'],
    [['query', 't', 'select 1', '--out', 'x.csv', '--output', 'table'], 'table', 'parquet'],
    [['query', 't', 'select 1', '--output', 'csv', '--json'], '--json', '--out FILE'],
  ])('%j: exit 2, what is wrong and how to mend it', async (args, wrong, fix) => {
    const run = await lakewright(args)
    expect(run.code).toBe(2)
    const [message, cure] = run.stderr.trimEnd().split('\n')
    expect(message).toMatch(/^error: /)
    expect(message).toContain(wrong)
    expect(cure).toMatch(/^fix: /)
    expect(cure).toContain(fix)
    if (!args.includes('--json')) expect(run.stdout).toBe('')
  })

  it('with --json is one object on standard output too, wherever the flag stands', async () => {
    for (const args of [
      ['--json', 'apend', 't'],
      ['apend', 't', '--json'],
    ]) {
      const run = await lakewright(args)
      expect(run.code).toBe(2)
      expect(json(run)).toEqual({
        status: 'failed',
        error: { code: 'invalid', message: "unknown command 'apend'", fix: 'Did you mean append?' },
      })
    }
    const bare = await lakewright(['--json'])
    expect(bare.code).toBe(2)
    expect(json(bare)).toMatchObject({ status: 'failed', error: { code: 'invalid' } })
  })
})

describe('what this release does not have', () => {
  it.each(['restore', 'vacuum', 'compact', 'run'])('%s is unsupported, exit 8, in one sentence', async (verb) => {
    for (const args of [
      [verb, 't', '--from', 'x', '--json'],
      [verb, '--help', '--json'],
    ]) {
      const run = await lakewright(args)
      expect(run.code).toBe(8)
      expect(run.stderr).toBe(`error: \`lakewright ${verb}\` is not part of this release yet\n`)
      expect(json(run)).toMatchObject({ status: 'failed', error: { code: 'unsupported' } })
    }
  })
})

describe('what is loaded', () => {
  it('--help loads none of the heavy modules', async () => {
    const loaded = await modulesOf(['--help'])
    expect(loaded).toContain('cli/main.js')
    expect(loaded).toContain('commander')
    for (const heavy of [...heavyModules, 'zod', 'cli-progress', 'dist/index.js']) expect(loaded).not.toContain(heavy)
  })

  it('show of a local table loads none of them either, and a load does', async () => {
    await writeFile(join(folder, 'data.csv'), 'id\n1\n')
    expect(await modulesOf(['append', 'lake', '--from', 'data.csv'])).toContain('@duckdb')
    const loaded = await modulesOf(['show', 'lake'])
    expect(loaded).toContain('dist/index.js')
    for (const heavy of [...heavyModules, 'cli-progress']) expect(loaded).not.toContain(heavy)
  })
})

const heavyModules = ['@duckdb', 'apache-arrow', 'parquet-wasm', '@aws-sdk', '@smithy']

/** The addresses of every module that a run imports, by a loader hook. */
async function modulesOf(args: string[], cwd = folder): Promise<string> {
  const log = join(folder, `modules-${Math.random()}.txt`)
  await mkdir(folder, { recursive: true })
  const hook = join(folder, 'hook.mjs')
  const register = join(folder, 'register.mjs')
  await writeFile(
    hook,
    `import { appendFileSync } from 'node:fs'
export async function load(url, context, next) {
  appendFileSync(process.env.MODULES_LOG, url + '\\n')
  return next(url, context)
}`,
  )
  await writeFile(register, `import { register } from 'node:module'\nregister('./hook.mjs', import.meta.url)`)
  const NODE_OPTIONS = `--import ${pathToFileURL(register)}`
  const run = await lakewright(args, { cwd, env: { NODE_OPTIONS, MODULES_LOG: log } })
  if (run.code !== 0) throw new Error(run.stderr)
  return readFile(log, 'utf8')
}
