/** Job 1 of the design, by the command line alone: seven nights of a table that is corrected every night. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { json, lakewright, type Run } from './build.js'
import * as contract from './contract.js'

const fixtures = fileURLToPath(new URL('../../fixtures/italy-vaccinations', import.meta.url))
const day = 'data_somministrazione'

let folder: string
let nights: Night[]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lakewright-nights-'))
  const names = (await readdir(fixtures)).filter((name) => name.endsWith('.csv.gz')).sort()
  nights = await Promise.all(names.map((name) => readNight(join(fixtures, name))))
  expect(nights).toHaveLength(7)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

it('seven nightly replaces each leave the table as that night has it, and touch only the days that changed', async () => {
  let before: Map<string, string> = new Map()
  for (const [version, night] of nights.entries()) {
    const changed = [...night.days]
      .filter(([name, rows]) => before.get(name) !== rows)
      .map(([name]) => `${day}=${name}`)
    const receipt = contract.receipt.parse(await ok(replace(night)))
    expect(receipt).toMatchObject({ status: 'committed', version, created: version === 0, rows: { read: night.rows } })
    expect([...receipt.partitions.replaced].sort()).toEqual(changed.sort())
    expect(receipt.partitions.unchanged).toBe(night.days.size - changed.length)
    expect(await totals('lake')).toEqual({ rows: night.rows, doses: night.doses })
    before = night.days
  }
}, 180_000)

it('the same night again writes nothing', async () => {
  const receipt = contract.receipt.parse(await ok(replace(last())))
  expect(receipt).toMatchObject({
    status: 'unchanged',
    version: 6,
    rows: { read: last().rows, written: 0, unchanged: last().rows },
    files: { added: 0, removed: 0 },
  })
})

it('every night stays readable as a version, also by its time', async () => {
  const { commits } = contract.history.parse(await ok(['history', 'lake']))
  expect(commits.map(({ mode, version }) => ({ mode, version }))).toEqual(
    [6, 5, 4, 3, 2, 1, 0].map((version) => ({ mode: 'replace', version })),
  )
  for (const version of [0, 3]) {
    const { doses, rows } = nights[version] as Night
    expect(await totals(`lake@${version}`)).toEqual({ rows, doses })
    const { time } = commits.find((commit) => commit.version === version) as { time: string }
    expect(await totals('lake', '--as-of', time)).toEqual({ rows, doses })
  }
})

it('show and verify agree with the input', async () => {
  expect(contract.show.parse(await ok(['show', 'lake']))).toMatchObject({
    rows: last().rows,
    partitions: last().days.size,
    partitionBy: [day],
    key: [day, 'fornitore', 'area', 'fascia_anagrafica'],
  })
  const { partitions } = contract.partitions.parse(await ok(['show', 'lake', '--partitions']))
  expect(partitions.map(({ values }) => values[day])).toEqual([...last().days.keys()].sort())
  expect(contract.verify.parse(await ok(['verify', 'lake', '--deep']))).toMatchObject({ ok: true, rows: last().rows })
})

it('a scope without rows in the input empties that day, and rows outside the scope are refused', async () => {
  const [first] = [...last().days.keys()].sort() as [string]
  const scope = ['--scope', `${day} = '${first}'`]
  const outside = await cli([...replace(last()), ...scope, '--json'])
  expect(outside.code).toBe(2)
  expect(contract.failure.parse(json(outside)).error.code).toBe('invalid')
  const empty = await lakewright(['replace', 'lake', '--from', '-', '--format', 'csv', ...scope, '--json'], {
    cwd: folder,
    input: `${last().header}\n`,
  })
  expect(contract.receipt.parse(json(empty))).toMatchObject({ partitions: { removed: [`${day}=${first}`] } })
  const gone = (last().days.get(first) as string).split('\n').length
  expect(contract.show.parse(await ok(['show', 'lake'])).rows).toBe(last().rows - gone)
})

interface Night {
  path: string
  header: string
  rows: number
  /** Sum of the column `sesso_femminile`. */
  doses: number
  /** The lines of each day, sorted: equal where the content is. */
  days: Map<string, string>
}

async function readNight(path: string): Promise<Night> {
  const [header = '', ...lines] = gunzipSync(await readFile(path))
    .toString()
    .trimEnd()
    .split('\n')
  const columns = header.split(',')
  const days = new Map<string, string[]>()
  let doses = 0
  for (const line of lines) {
    const cells = line.split(',')
    const name = cells[columns.indexOf(day)] as string
    doses += Number(cells[columns.indexOf('sesso_femminile')])
    days.set(name, [...(days.get(name) ?? []), line])
  }
  const sorted = new Map([...days].map(([name, rows]) => [name, rows.sort().join('\n')]))
  return { path, header, rows: lines.length, doses, days: sorted }
}

function last(): Night {
  return nights.at(-1) as Night
}

function replace({ path }: Night): string[] {
  const key = [day, 'fornitore', 'area', 'fascia_anagrafica'].join(',')
  return ['replace', 'lake', '--from', path, '--partition-by', day, '--key', key]
}

async function totals(table: string, ...flags: string[]): Promise<unknown> {
  const sql = 'select count(*) as rows, sum(sesso_femminile)::bigint as doses from t'
  return contract.query.parse(await ok(['query', table, sql, ...flags])).rows[0]
}

function cli(args: string[]): Promise<Run> {
  return lakewright(args, { cwd: folder })
}

async function ok(args: string[]): Promise<unknown> {
  const run = await cli([...args, '--json'])
  if (run.code !== 0) throw new Error(`${args.join(' ')}: exit ${run.code}\n${run.stderr}`)
  return json(run)
}
