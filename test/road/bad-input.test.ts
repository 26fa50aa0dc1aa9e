/**
 * What goes wrong outside: for each, the exit code that says what to do, a message that names the cause, and the table as
 * it was.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { openTable } from '../../src/index.js'
import { lakewright, type Run } from '../cli/build.js'
import { freshBucket } from '../servers/bucket.js'

const folder = mkdtempSync(join(tmpdir(), 'lakewright-bad-'))
const table = join(folder, 'table')
const good = [
  { dt: '2026-11-01', id: 1, name: 'one' },
  { dt: '2026-11-02', id: 2, name: 'two' },
]
const csv = 'dt,id,name\n2026-11-03,3,three\n2026-11-04,4,four\n'
const mounts: string[] = []

beforeAll(async () => {
  await using made = await openTable(table, { partitionBy: ['dt'] })
  await made.append(good)
})
afterAll(() => {
  for (const mount of mounts) execFileSync('umount', [mount])
  rmSync(folder, { recursive: true, force: true })
})

const manyRows = Array.from({ length: 40_000 }, (_, i) => `2026-11-03,${i},name ${(i * 7919) % 10007}`).join('\n')

describe('an input that cannot be read', () => {
  test.each([
    ['a gzip cut short', 'cut.csv.gz', gzipSync(`dt,id,name\n${manyRows}`).subarray(0, -2000), [], /cut\.csv\.gz/],
    ['a gzip of something else', 'no.csv.gz', Buffer.from(csv), [], /no\.csv\.gz/],
    ['a ragged row', 'ragged.csv', `${csv}2026-11-05,5\n`, [], /ragged\.csv.*row=`3`|row=`3`.*ragged\.csv/],
    ['too many cells', 'wide.csv', `${csv}2026-11-05,5,five,extra\n`, [], /wide\.csv/],
    ['a quote that does not close', 'quote.csv', `${csv}2026-11-05,5,"five\n`, [], /quote\.csv/],
    ['another delimiter', 'semicolon.csv', csv.replaceAll(',', ';'), [], /--delimiter/],
    ['bytes that are not UTF-8', 'latin.csv', Buffer.from(`${csv}2026-11-05,5,caf\xe9\n`, 'latin1'), [], /latin\.csv/],
    ['columns that differ by case only', 'twice.csv', `dt,id,name,ID\n2026-11-05,5,five,6\n`, [], /ID/],
    ['an empty column name', 'unnamed.csv', `dt,id,\n2026-11-05,5,five\n`, [], /column/],
    ['a value that is no number', 'text.csv', `${csv}2026-11-05,007,seven\n`, [], /id.*007|007.*id/s],
    ['a Parquet file that is none', 'no.parquet', 'PAR1 but no more', [], /no\.parquet/],
    ['broken JSON', 'broken.ndjson', '{"dt":"2026-11-05","id":5}\n{"dt":"2026-11-05","id":\n', [], /broken\.ndjson/],
    ['a file that is not there', 'absent.csv', undefined, [], /absent\.csv/],
    ['a format that nobody knows', 'data.xyz', csv, [], /--format/],
    ['a type that does not exist', 'typed.csv', csv, ['--types', 'id=bigitn'], /bigint/],
    ['a typed column that does not exist', 'misnamed.csv', csv, ['--types', 'idd=bigint'], /id/],
    ['an empty partition value', 'blank.csv', `dt,id,name\n"",5,five\n`, [], /dt/],
    ['a partition value that reads as null', 'null.csv', `dt,id,name\nNULL,5,five\n`, [], /dt/],
    ['a partition value of 5,000 characters', 'long.csv', `dt,id,name\n${'x'.repeat(5000)},5,five\n`, [], /255/],
  ] as const)('%s: exit 2, the cause in the message, the table as it was', async (_, name, content, flags, message) => {
    const file = join(folder, name)
    if (content !== undefined) writeFileSync(file, content)
    const before = log(table)
    const run = await lakewright(['append', table, '--from', file, ...flags])
    expect(run).toMatchObject({ code: 2 })
    expect(run.stderr).toMatch(message)
    await expectUntouched(before)
    const asJson = await lakewright(['append', table, '--from', file, ...flags, '--json'])
    expect(JSON.parse(asJson.stdout)).toMatchObject({ status: 'failed', error: { code: 'invalid' } })
  })

  test('a Parquet file cut short: exit 2, the cause in the message, the table as it was', async () => {
    const whole = join(folder, 'whole.parquet')
    const out = await lakewright(['query', table, 'select * from t', '--output', 'parquet', '--out', whole])
    expect(out.code).toBe(0)
    const file = join(folder, 'short.parquet')
    writeFileSync(file, readFileSync(whole).subarray(0, -30))
    const before = log(table)
    const run = await lakewright(['append', table, '--from', file])
    expect(run.code).toBe(2)
    expect(run.stderr).toContain('short.parquet')
    await expectUntouched(before)
  })
})

describe('names and values that mean mischief', () => {
  test('`..` in values and names stays below the table, and is read back as it was', async () => {
    const place = join(folder, 'escape', 'inner')
    await using made = await openTable(place, { partitionBy: ['p'] })
    const rows = [
      { p: '../../etc', 'a/../b': 1 },
      { p: '..', 'a/../b': 2 },
      { p: '/abs', 'a/../b': 3 },
    ]
    await made.append(rows)
    const result = await made.query('select p, "a/../b"::integer as "a/../b" from t order by 2')
    expect(await result.toArray()).toEqual(rows)
    const found = execFileSync('find', [join(folder, 'escape'), '-name', '*.parquet'])
      .toString()
      .trim()
      .split('\n')
    expect(found.filter((path) => !path.startsWith(`${place}/`))).toEqual([])
    expect(found).toHaveLength(3)
  })

  test('column names with quotes, semicolons and SQL are names', async () => {
    await using made = await openTable(join(folder, 'names'), { partitionBy: ['p"q; drop'] })
    const row = { 'p"q; drop': 'x', "a'; drop table t; --": 'y', 'select "*" from t': 1, 'a b,c;{}()=': 'z' }
    await made.append([row])
    const again = await made.append([row])
    expect(again.rows.written).toBe(1)
    const result = await made.query('select * from t limit 1')
    expect(await result.toArray()).toEqual([{ ...row, 'select "*" from t': 1n }])
    expect((await made.verify({ deep: true })).problems).toEqual([])
  })

  test('names that the engine uses itself are names', async () => {
    const rows = [{ file_row_number: 7, filename: 'x', file_index: 1, rowid: 2, __lw: 3 }]
    await using made = await openTable(join(folder, 'engine-names'), { partitionBy: ['filename'] })
    await made.append(rows)
    expect(await made.replace(rows)).toMatchObject({ status: 'unchanged' })
    expect(
      await made.query('select file_row_number::integer as n, filename as f, rowid::integer as r from t').toArray(),
    ).toEqual([{ n: 7, f: 'x', r: 2 }])
    expect((await made.verify({ deep: true })).problems).toEqual([])
  })

  test('a scope is parsed, never run', async () => {
    const before = log(table)
    const run = await lakewright(['replace', table, '--from', writeCsv(), '--scope', "dt = '2026-11-03'; drop table t"])
    expect(run.code).toBe(2)
    await expectUntouched(before)
  })
})

describe('a place that does not work', () => {
  test('no such table: exit 2', async () => {
    const run = await lakewright(['append', join(folder, 'nowhere'), '--from', writeCsv(), '--no-create'])
    expect(run.code).toBe(2)
    expect(run.stderr).toContain('no table')
    const show = await lakewright(['show', join(folder, 'nowhere')])
    expect(show.code).toBe(2)
  })

  test('a read-only folder: exit 2, named', async ({ skip }) => {
    const mount = mountedTmpfs('readonly', '1m')
    if (!mount) return skip(noMount())
    execFileSync('mount', ['-o', 'remount,ro', mount])
    const run = await lakewright(['append', join(mount, 'table'), '--from', writeCsv()])
    expect(run.code).toBe(2)
    expect(run.stderr).toMatch(/read-only|may not be written/i)
  })

  test('a full disk: exit 4, and the table as it was', async ({ skip }) => {
    const mount = mountedTmpfs('full', '600k')
    if (!mount) return skip(noMount())
    const small = join(mount, 'table')
    await using made = await openTable(small, { partitionBy: ['dt'] })
    await made.append(good)
    const before = log(small)
    const file = join(folder, 'large.csv')
    const noise = Array.from(
      { length: 100_000 },
      () => `2026-11-03,${Math.floor(Math.random() * 2 ** 50)},${Math.random()}`,
    )
    writeFileSync(file, `dt,id,name\n${noise.join('\n')}\n`)
    const run = await lakewright(['append', small, '--from', file])
    expect(run.stderr).toMatch(/full|space/i)
    expect(run.code).toBe(4)
    await expectUntouched(before, small)
    expect((await lakewright(['append', small, '--from', writeCsv()])).code).toBe(0)
  })

  test('an unreachable endpoint: exit 4, named', async () => {
    const run = await withS3(['show', 's3://lake/orders'], { AWS_ENDPOINT_URL: 'http://127.0.0.1:1' })
    expect(run.code).toBe(4)
    expect(run.stderr).toContain('127.0.0.1:1')
  })

  const minio = inject('s3Servers').find(({ name }) => name === 'minio')
  test.runIf(minio)('a missing bucket and wrong credentials: exit 2, named, and no secret in the message', async () => {
    if (!minio) return
    await using place = await freshBucket(minio)
    const right = {
      AWS_ENDPOINT_URL: minio.endpoint,
      AWS_ACCESS_KEY_ID: minio.accessKeyId,
      AWS_SECRET_ACCESS_KEY: minio.secretAccessKey,
      AWS_REGION: minio.region,
    }
    const append = ['append', `${place.url}/t`, '--from', writeCsv()]
    const bucket = await withS3(['append', 's3://no-such-bucket-here/t', '--from', writeCsv()], right)
    expect(bucket.code).toBe(2)
    expect(bucket.stderr).toContain('no-such-bucket-here')
    const wrong = await withS3(append, { ...right, AWS_SECRET_ACCESS_KEY: 'not-the-secret' })
    expect(wrong.code).toBe(2)
    expect(wrong.stderr).not.toContain('not-the-secret')
    expect((await withS3(append, right)).code).toBe(0)
  })
})

function writeCsv(): string {
  const file = join(folder, 'good.csv')
  writeFileSync(file, csv)
  return file
}

function withS3(args: string[], env: Record<string, string>): Promise<Run> {
  const credentials = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret', AWS_REGION: 'us-east-1' }
  return lakewright(args, { env: { ...credentials, ...env } })
}

function log(root: string): string {
  return execFileSync('ls', ['-lA', '--time-style=full-iso', join(root, '_delta_log')]).toString()
}

async function expectUntouched(before: string, root = table): Promise<void> {
  expect(log(root)).toBe(before)
  await using opened = await openTable(root)
  const result = await opened.query('select dt::varchar as dt, id::integer as id, name from t order by id')
  expect(await result.toArray()).toEqual(good)
}

/** A small file system of its own; undefined where this machine does not let one be mounted. */
function mountedTmpfs(name: string, size: string): string | undefined {
  const mount = join(folder, name)
  mkdirSync(mount)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', mount], { stdio: 'ignore' })
  } catch {
    return undefined
  }
  mounts.push(mount)
  return mount
}

function noMount(): string {
  const message = 'NO FILE SYSTEM CAN BE MOUNTED HERE: a read-only folder and a full disk are not tested'
  if (process.env.CI) throw new Error(message)
  console.warn(message)
  return message
}
