import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { buildCli, json, lakewright, type Run, type RunOptions } from './build.js'
import * as contract from './contract.js'

let root: string
/** Where the present test runs; tests that only look share one. */
let folder: string
let main: string

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'lakewright-tables-'))
  main = await buildCli()
})
afterAll(() => rm(root, { recursive: true, force: true }))

const orders = `dt,id,region,amount
2026-11-20,1,US/East,10.50
2026-11-20,2,EU,7
2026-11-21,3,EU,1.25
`

describe('a load', () => {
  beforeEach(newFolder)

  it('creates the table, and its receipt is the one of the contract', async () => {
    const receipt = contract.receipt.parse(await ok(['append', 'lake', '--from', 'orders.csv', '--partition-by', 'dt']))
    expect(receipt).toMatchObject({
      status: 'committed',
      created: true,
      version: 0,
      mode: 'append',
      rows: { read: 3, written: 3 },
      partitions: { removed: [], unchanged: 0 },
      files: { added: 2, removed: 0 },
    })
    expect([...receipt.partitions.replaced].sort()).toEqual(['dt=2026-11-20', 'dt=2026-11-21'])
    expect(receipt.columns?.map(({ name }) => name)).toEqual(['dt', 'id', 'region', 'amount'])
    expect(receipt.columns?.map(({ type }) => type.toLowerCase())).toEqual(['date', 'bigint', 'varchar', 'double'])
  })

  it('tells people on standard error, and leaves standard output to results', async () => {
    const run = await cli(['append', 'lake', '--from', 'orders.csv', '--partition-by', 'dt'])
    expect(run).toMatchObject({ code: 0, stdout: '' })
    expect(run.stderr).toMatch(/^created .*lake, version 0 \(append\) in /)
    expect(run.stderr).toContain('3 read, 3 written')
    // No progress in a pipe.
    expect(run.stderr).not.toMatch(/\r|\p{Cc}\[/u)
  })

  it('reads standard input', async () => {
    const receipt = await ok(['append', 'lake', '--from', '-', '--format', 'csv'], { input: orders })
    expect(receipt).toMatchObject({ status: 'committed', rows: { read: 3, written: 3 } })
  })

  it('takes several sources', async () => {
    await writeFile(join(folder, 'more.csv'), 'id,dt\n9,2026-11-22\n')
    const receipt = await ok(['append', 'lake', '--from', 'orders.csv', '--from', 'more.csv'])
    expect(receipt).toMatchObject({ rows: { read: 4, written: 4 } })
  })

  it('passes the reading flags on', async () => {
    await writeFile(join(folder, 'odd.txt'), "# made by hand\n007;O'Neill;n/a;1.10\n")
    const flags = [
      '--format',
      'csv',
      '--delimiter',
      ';',
      '--skip-rows',
      '1',
      '--header',
      'code,"last, first",note,price',
    ]
    const types = ['--types', 'price=decimal(12,2)', '--null-text', 'n/a', '--rename', '"last, first"=name']
    const made = ['--set', 'dt=2026-11-20', '--derive', "label=concat(code, ',', name)"]
    await ok(['append', 'lake', '--from', 'odd.txt', ...flags, ...types, ...made])
    expect(contract.query.parse(await ok(['query', 'lake', 'select * from t']))).toMatchObject({
      rows: [{ code: '007', name: "O'Neill", note: null, price: '1.10', dt: '2026-11-20', label: "007,O'Neill" }],
    })
  })

  it('that changes nothing says unchanged and makes no version', async () => {
    const args = ['replace', 'lake', '--from', 'orders.csv', '--partition-by', 'dt']
    await ok(args)
    const again = contract.receipt.parse(await ok(args))
    expect(again).toMatchObject({ status: 'unchanged', version: 0, rows: { read: 3, written: 0, unchanged: 3 } })
    expect((await cli(args)).stderr).toMatch(/^nothing to do/)
  })

  it('with a load id is done once, and refused with other content', async () => {
    const args = (file: string) => ['append', 'lake', '--from', file, '--load-id', 'night-1']
    await ok(args('orders.csv'))
    expect(await ok(args('orders.csv'))).toMatchObject({ status: 'duplicate', version: 0, loadId: 'night-1' })
    await writeFile(join(folder, 'other.csv'), 'dt,id,region,amount\n2026-11-20,4,EU,1\n')
    await fails(args('other.csv'), 'invalid', 2)
  })

  it('can be asked what it would do, and then does nothing', async () => {
    await ok(['replace', 'lake', '--from', 'orders.csv', '--partition-by', 'dt'])
    await writeFile(join(folder, 'late.csv'), 'dt,id,region,amount\n2026-11-20,1,EU,3.5\n')
    const args = ['replace', 'lake', '--from', 'late.csv', '--scope', "dt = '2026-11-20'", '--dry-run']
    const receipt = contract.receipt.parse(await ok(args))
    expect(receipt.status).toBe('planned')
    expect(receipt.plan).toContainEqual(
      expect.objectContaining({ partition: 'dt=2026-11-20', action: 'replace', rows: { before: 2, after: 1 } }),
    )
    expect((await cli(args)).stderr).toMatch(/dt=2026-11-20 +replace +2 +1/)
    expect(await ok(['show', 'lake'])).toMatchObject({ version: 0, rows: 3 })
  })
})

describe('looking at a table', () => {
  beforeAll(async () => {
    await newFolder()
    await ok(['append', 'lake', '--from', 'orders.csv', '--partition-by', 'dt', '--key', 'id'])
    await ok(['append', 'lake', '--from', 'orders.csv', '--load-id', 'again'])
  })

  it('show has the shape of the contract', async () => {
    expect(contract.show.parse(await ok(['show', 'lake']))).toMatchObject({
      version: 1,
      partitionBy: ['dt'],
      key: ['id'],
      partitions: 2,
      files: 4,
      rows: 6,
    })
    expect(await ok(['show', 'lake@0'])).toMatchObject({ version: 0, files: 2, rows: 3 })
  })

  it('show --partitions and --files list them', async () => {
    const { partitions } = contract.partitions.parse(await ok(['show', 'lake', '--partitions']))
    expect(partitions.map(({ files, partition, rows, values }) => ({ files, partition, rows, values }))).toEqual([
      { partition: 'dt=2026-11-20', values: { dt: '2026-11-20' }, files: 2, rows: 4 },
      { partition: 'dt=2026-11-21', values: { dt: '2026-11-21' }, files: 2, rows: 2 },
    ])
    const { files } = contract.files.parse(await ok(['show', 'lake', '--files']))
    expect(files).toHaveLength(4)
    for (const { bytes, key } of files) expect((await stat(join(folder, 'lake', key))).size).toBe(bytes)
  })

  it('show is a text for people on standard output', async () => {
    const run = await cli(['show', 'lake'])
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toContain('lake, version 1\n  partitioned by dt; key id\n  6 rows, 2 partitions, 4 files, ')
    expect(run.stdout).toMatch(/^amount {2}double$/im)
    expect((await cli(['show', 'lake', '--partitions'])).stdout).toMatch(/^dt=2026-11-20 +2 +4 /m)
    expect((await cli(['show', 'lake', '--files'])).stdout).toMatch(/^dt=2026-11-20\/.*parquet +2 /m)
  })

  it('history lists the commits, newest first', async () => {
    const { commits } = contract.history.parse(await ok(['history', 'lake']))
    expect(commits.map(({ loadId, mode, version }) => ({ loadId, mode, version }))).toEqual([
      { version: 1, mode: 'append', loadId: 'again' },
      { version: 0, mode: 'append', loadId: undefined },
    ])
    expect(await ok(['history', 'lake', '--limit', '1'])).toMatchObject({ commits: [{ version: 1 }] })
    expect((await cli(['history', 'lake'])).stdout).toMatch(
      /^ +1 {2}\d{4}-.*Z {2}append {2}again {4}3 read, 3 written$/m,
    )
  })

  it('ddl prints a statement, and in JSON says for whom', async () => {
    const { code, stdout } = await cli(['ddl', 'lake', '--for', 'duckdb'])
    expect(code).toBe(0)
    expect(stdout).toContain('CREATE OR REPLACE VIEW')
    expect(await ok(['ddl', 'lake', '--for', 'duckdb'])).toEqual({ dialect: 'duckdb', sql: stdout })
  })

  it('a table that is not there is invalid, exit 2, for every verb that looks', async () => {
    for (const args of [
      ['show', 'nowhere'],
      ['show', 'lake@7'],
      ['history', 'nowhere'],
      ['verify', 'nowhere'],
      ['query', 'nowhere', 'select 1'],
      ['ddl', 'nowhere', '--for', 'duckdb'],
      ['set', 'nowhere', 'key=id'],
    ]) {
      await fails(args, 'invalid', 2)
    }
    expect(await readdir(folder)).not.toContain('nowhere')
  })

  it('a version is refused where only the newest makes sense', async () => {
    for (const args of [
      ['append', 'lake@0', '--from', 'orders.csv'],
      ['history', 'lake@0'],
      ['set', 'lake@0', 'key=id'],
    ]) {
      expect((await fails(args, 'invalid', 2)).error.fix).toContain('@0')
    }
    await fails(['show', 'lake@0', '--as-of', '2026-11-20'], 'invalid', 2)
  })

  // The last one here, for it breaks the table.
  it('verify is ok, and damage is a report and exit 7', async () => {
    expect(contract.verify.parse(await ok(['verify', 'lake', '--deep']))).toEqual({
      ok: true,
      version: 1,
      files: 4,
      rows: 6,
      problems: [],
    })
    expect((await cli(['verify', 'lake'])).stdout).toBe('ok: version 1, 4 files, 6 rows\n')
    const { files } = contract.files.parse(await ok(['show', 'lake', '--files']))
    const [gone, short] = files.map(({ key }) => key) as [string, string]
    await rm(join(folder, 'lake', gone))
    await truncate(join(folder, 'lake', short), 10)
    const run = await cli(['verify', 'lake', '--json'])
    expect(run.code).toBe(7)
    const report = contract.verify.parse(json(run))
    expect(report.ok).toBe(false)
    expect(report.problems.map(({ code, key }) => ({ code, key }))).toEqual(
      expect.arrayContaining([
        { code: 'missing', key: gone },
        { code: 'size', key: short },
      ]),
    )
    const text = await cli(['verify', 'lake'])
    expect(text.code).toBe(7)
    expect(text.stdout).toMatch(/^damaged: 2 problems in version 1/)
    expect(text.stdout).toContain(gone)
  })
})

describe('settings', () => {
  it('set changes what the table remembers, in one commit', async () => {
    await newFolder()
    await ok(['append', 'lake', '--from', 'orders.csv'])
    const settings = ['key=id,region', 'target-file-bytes=1MiB']
    const { version } = contract.set.parse(await ok(['set', 'lake', ...settings]))
    expect(await ok(['show', 'lake'])).toMatchObject({ version, key: ['id', 'region'] })
    const again = await cli(['set', 'lake', ...settings])
    expect(again).toMatchObject({ code: 0, stdout: '' })
    expect(again.stderr).toMatch(/^version \d+ of .*lake\n {2}key = id,region\n/)
    expect((await fails(['set', 'lake', 'sorted-by=id'], 'invalid', 2)).error.fix).toBeTruthy()
  })
})

describe('a query', () => {
  beforeAll(async () => {
    await newFolder()
    await ok(['append', 'lake', '--from', 'orders.csv', '--partition-by', 'dt'])
  })

  it('is a table for people by default', async () => {
    const run = await cli(['query', 'lake', 'select dt, id, region from t order by id'])
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout.split('\n').slice(0, 3)).toEqual([
      'dt          id  region',
      '──────────  ──  ───────',
      '2026-11-20   1  US/East',
    ])
  })

  it('prints every row in a pipe, and every row whole', async () => {
    const run = await cli(['query', 'lake', 'select i, i * i as square from range(5000) as r(i)'])
    const lines = run.stdout.trimEnd().split('\n')
    expect(lines).toHaveLength(5002)
    expect(lines.at(-1)?.trim().split(/ +/)).toEqual(['4999', '24990001'])
  })

  it('in JSON keeps what JSON cannot hold as text', async () => {
    const sql = `select 9007199254740993::bigint as big, 7::bigint as small, 1.10::decimal(4,2) as dec, 'nan'::double as nan,
      'abc'::blob as bin, timestamptz '2026-11-20 10:00:00+00' as at, null as nothing, [1, 2] as list`
    const { columns, rows } = contract.query.parse(await ok(['query', 'lake', sql]))
    expect(columns.map(({ name }) => name)).toEqual(['big', 'small', 'dec', 'nan', 'bin', 'at', 'nothing', 'list'])
    expect(rows).toMatchObject([
      { big: '9007199254740993', small: 7, dec: '1.10', nan: 'NaN', bin: 'YWJj', nothing: null, list: [1, 2] },
    ])
    expect(rows[0]?.at).toMatch(/^2026-11-20T10:00:00(\.0+)?Z$/)
  })

  it('streams the very bytes that --out writes', async () => {
    const sql = 'select * from t order by id'
    for (const format of ['csv', 'ndjson', 'json', 'parquet', 'arrow']) {
      const summary = await ok(['query', 'lake', sql, '--out', `result.${format}`])
      expect(summary, format).toMatchObject({ out: `result.${format}`, format, rows: 3 })
      const file = await readFile(join(folder, `result.${format}`))
      expect(file.length, format).toBeGreaterThan(20)
      expect((await cli(['query', 'lake', sql, '--output', format])).stdout, format).toBe(file.toString())
    }
    expect(await readFile(join(folder, 'result.csv'), 'utf8')).toMatch(
      /^dt,id,region,amount\r?\n2026-11-20,1,US\/East,10\.5\r?\n/,
    )
    expect(
      (await readFile(join(folder, 'result.ndjson'), 'utf8'))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).id),
    ).toEqual([1, 2, 3])
  })

  it('that fails is one JSON object, however late it fails', async () => {
    await fails(['query', 'lake', 'select nocolumn from t'], 'invalid', 2)
    await fails(
      ['query', 'lake', "select case when i = 99999 then error('late') else i end from range(100000) r(i)"],
      'invalid',
      2,
    )
  })

  it('ends quietly when its reader goes away', async () => {
    const sql = `select i, 'some text to fill the pipe' as text from range(200000) as r(i)`
    for (const output of ['csv', 'table', 'ndjson']) {
      const run = await shell(`lakewright query lake "${sql}" --output ${output} | head -n 2`)
      expect(run).toMatchObject({ code: 0, stderr: '' })
      expect(run.stdout.trimEnd().split('\n')).toHaveLength(2)
    }
  })

  it('reads an old version', async () => {
    await writeFile(join(folder, 'new.csv'), 'dt,id,region,amount\n2026-11-22,9,x,1\n')
    await ok(['overwrite', 'lake', '--from', 'new.csv'])
    const regions = (rows: unknown) => contract.query.parse(rows).rows.map((row) => row.region)
    const sql = 'select distinct region from t order by 1'
    expect(regions(await ok(['query', 'lake', sql]))).toEqual(['x'])
    expect(regions(await ok(['query', 'lake@0', sql]))).toEqual(['EU', 'US/East'])
  })
})

describe('a failure', () => {
  beforeEach(newFolder)

  it('of each class that a user can bring about has its exit code', async () => {
    await fails(['append', 'lake', '--from', 'nothing.csv'], 'invalid', 2)
    await fails(['append', 'lake', '--from', 'orders.csv', '--no-create'], 'invalid', 2)
    await fails(['append', 'lake', '--from', 'orders.csv', '--scope', 'dt = 1'], 'invalid', 2)
    await ok(['append', 'lake', '--from', 'orders.csv'])
    await writeFile(join(folder, 'empty.csv'), 'dt,id,region,amount\n')
    await fails(['overwrite', 'lake', '--from', 'empty.csv'], 'guard', 5)
    expect(await ok(['overwrite', 'lake', '--from', 'empty.csv', '--allow-empty'])).toMatchObject({ version: 1 })
    const log = join(folder, 'lake/_delta_log')
    const first = await readFile(join(log, '00000000000000000000.json'), 'utf8')
    await rm(join(log, '00000000000000000000.json'))
    await fails(['show', 'lake'], 'corrupt', 7)
    const foreign = first.replace(/"protocol":\{[^}]*\}/, '"protocol":{"minReaderVersion":99,"minWriterVersion":99}')
    await writeFile(join(log, '00000000000000000000.json'), foreign)
    await fails(['show', 'lake'], 'unsupported', 8)
  })

  it('of an unreachable store says to try later, and shows no credential', async () => {
    const env = {
      AWS_ENDPOINT_URL: 'http://127.0.0.1:9',
      AWS_ACCESS_KEY_ID: 'the-key',
      AWS_SECRET_ACCESS_KEY: 'the-secret',
      AWS_REGION: 'us-east-1',
    }
    const run = await cli(['show', 's3://bucket/table', '--json'], { env })
    expect(run.code).toBe(4)
    expect(contract.failure.parse(json(run)).error.code).toBe('unavailable')
    expect(run.stdout + run.stderr).not.toContain('the-secret')
    // Nor the SDK's own advice.
    expect(run.stderr).toMatch(/^error: .*\nfix: .*\n$/)
  })
})

describe('Ctrl-C', () => {
  beforeEach(newFolder)

  // Signals of this kind do not exist on Windows.
  const signals = process.platform === 'win32' ? [] : (['SIGINT', 'SIGTERM'] as const)

  it.each(signals)('%s stops a load, which leaves no table behind', async (signal) => {
    const run = await interrupted(signal, 1)
    expect(run.code).toBe(signal === 'SIGINT' ? 130 : 143)
    expect(JSON.parse(run.stdout)).toEqual({ status: 'failed', error: { code: 'interrupted', message: 'interrupted' } })
    await fails(['show', 'lake'], 'invalid', 2)
  })

  it.each(signals)('%s twice ends the process at once', async (signal) => {
    expect((await interrupted(signal, 2)).code).toBe(signal === 'SIGINT' ? 130 : 143)
  })

  /** A load from standard input that never ends, and is sent signals a moment after it has begun to read. */
  async function interrupted(signal: NodeJS.Signals, times: number): Promise<Run> {
    return cli(['append', 'lake', '--from', '-', '--format', 'csv', '--json'], {
      input: null,
      started: (child) => {
        child.stdin?.write(orders)
        setTimeout(() => {
          for (let sent = 0; sent < times; sent += 1) setTimeout(() => child.kill(signal), sent * 50)
        }, 1500)
      },
    })
  }
})

describe('every example of the help', () => {
  beforeEach(newFolder)

  it('runs as pasted', async () => {
    await mkdir(join(folder, 'dumps'))
    await mkdir(join(folder, 'events'))
    const events = 'id,created_at,dt\n1,2026-11-20T10:00:00Z,2026-11-20\n'
    await writeFile(join(folder, 'events.csv'), events)
    await writeFile(join(folder, 'events.csv.gz'), gzipSync('id,created_at\n3,2026-11-22T10:00:00Z\n'))
    await writeFile(
      join(folder, 'events/a.ndjson.gz'),
      gzipSync('{"id":2,"created_at":"2026-11-21T10:00:00Z","dt":"2026-11-21"}\n'),
    )
    for (const name of ['2026-11-20', '2026-11-21', 'late']) {
      await writeFile(
        join(folder, `dumps/${name}.csv`),
        `dt,id,customer_id,region,amount\n2026-11-20,1,7,EU,${name.length}.5\n`,
      )
    }
    await writeFile(join(folder, 'customers.csv'), 'id,name,country\n1,Ana,PT\n')
    await writeFile(join(folder, 'dumps/customers-1.csv'), Buffer.from('id;name;country\n1;Zo\u00eb;NL\n', 'latin1'))
    await ok(['append', 'lake/orders', '--from', 'dumps/late.csv', '--partition-by', 'dt'])
    for (let version = 1; version <= 3; version += 1) await ok(['append', 'lake/orders', '--from', 'dumps/late.csv'])
    await ok([
      'query',
      'lake/orders',
      "select 1::bigint as id, 'Ana' as name, 'PT' as country",
      '--out',
      'customers.parquet',
    ])

    for (const verb of ['append', 'replace', 'overwrite', 'query', 'show', 'history', 'set', 'verify', 'ddl']) {
      const { stdout } = await cli([verb, '--help'])
      const examples = [...stdout.matchAll(/^ {2}\$ (.*)$/gm)].map(([, line]) => line ?? '')
      for (const example of examples.filter((line) => !line.includes('s3://'))) {
        const run = await shell(example)
        expect(run.code, `${example}\n${run.stderr}`).toBe(0)
      }
    }
  }, 180_000)
})

async function newFolder(): Promise<void> {
  folder = await mkdtemp(join(root, 'test-'))
  await writeFile(join(folder, 'orders.csv'), orders)
}

function cli(args: string[], options: RunOptions = {}): Promise<Run> {
  return lakewright(args, { cwd: folder, ...options })
}

/** The JSON of a run that has to succeed. */
async function ok(args: string[], options: RunOptions = {}): Promise<unknown> {
  const run = await cli([...args, '--json'], options)
  if (run.code !== 0) throw new Error(`${args.join(' ')}: exit ${run.code}\n${run.stderr}`)
  return json(run)
}

async function fails(args: string[], code: string, exit: number) {
  const run = await cli([...args, '--json'])
  expect(run.code, `${args.join(' ')}: ${run.stdout}${run.stderr}`).toBe(exit)
  const failure = contract.failure.parse(json(run))
  expect(failure.error.code).toBe(code)
  expect(run.stderr).toContain(failure.error.message)
  return failure
}

function shell(line: string): Promise<Pick<Run, 'code' | 'stdout' | 'stderr'>> {
  const script = `set -o pipefail; lakewright() { '${process.execPath}' '${main}' "$@"; }; ${line}`
  return new Promise((resolve) => {
    execFile('bash', ['-c', script], { cwd: folder }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr })
    })
  })
}
