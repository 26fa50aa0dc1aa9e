import { mkdir, writeFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { csv, files } from '../../src/source/files.js'
import { failure, useReading } from './reading.js'

const suite = useReading()

describe('--rename', () => {
  test('takes a file that already has the new name, and refuses one that has neither', async () => {
    const old = await suite.file('r1.csv', 'id,old\n1,a\n')
    const already = await suite.file('r2.csv', 'id,new\n2,b\n')
    const neither = await suite.file('r3.csv', 'id,olds\n3,c\n')
    expect((await suite.read([old, already], { rename: { old: 'new' } })).rows).toEqual([
      { id: 1n, new: 'a' },
      { id: 2n, new: 'b' },
    ])
    const error = await failure(suite.read([old, neither], { rename: { old: 'new' } }))
    expect(error.message).toMatch(/neither `old` nor `new`.*r3\.csv/)
    expect(error.fix).toContain('Did you mean `olds`')
  })

  test('swaps names, and is refused where two columns would have one name', async () => {
    const path = await suite.file('swap.csv', 'a,b\n1,x\n')
    expect((await suite.read(path, { rename: { a: 'b', b: 'a' } })).rows).toEqual([{ b: 1n, a: 'x' }])
    expect((await failure(suite.read(path, { rename: { a: 'B' } }))).message).toMatch(/differ in case only/)
  })

  test('of one source holds for that source; types go by the new name', async () => {
    const a = await suite.file('s1.csv', 'id,x\n1,007\n')
    const b = await suite.file('s2.csv', 'id,y\n2,8\n')
    const { rows } = await suite.read([csv(a, { rename: { x: 'y' } }), b], { types: { y: 'varchar' } })
    expect(rows).toEqual([
      { id: 1n, y: '007' },
      { id: 2n, y: '8' },
    ])
  })
})

describe('--set', () => {
  test('adds constants, typed by the grammar, and refuses a column that is there', async () => {
    const path = await suite.file('set.csv', 'id\n1\n')
    const { columns, rows } = await suite.read(path, {
      set: { dt: '2026-11-20', code: '007', n: 5, flag: true, none: null, "it's": "o'clock" },
    })
    expect(columns).toEqual([
      'id bigint',
      'dt date',
      'code varchar',
      'n bigint',
      'flag boolean',
      'none varchar',
      "it's varchar",
    ])
    expect(rows).toEqual([{ id: 1n, dt: '2026-11-20', code: '007', n: 5n, flag: true, none: null, "it's": "o'clock" }])
    expect((await failure(suite.read(path, { set: { ID: '1' } }))).message).toMatch(/has already/)
  })

  test('stands beside a stream that can be read only once', async () => {
    function* rows() {
      for (let i = 0; i < 3000; i++) yield { id: i }
    }
    const read = await suite.read(rows(), { set: { dt: '2026-11-20' } })
    expect(read.columns).toEqual(['id bigint', 'dt date'])
    expect(read.rows).toHaveLength(3000)
  })
})

describe('--derive', () => {
  const derive = async (expression: string) =>
    suite.read(await suite.file('derive.csv', 'id,made,v\n1,2026-11-20T23:30:00Z,a-b\n'), { derive: { x: expression } })

  test.each([
    ['date(made)', 'x date', '2026-11-20'],
    ['upper(v) || id', 'x varchar', 'A-B1'],
    ["split_part(v, '-', 2)", 'x varchar', 'b'],
    ['CASE WHEN id > 0 THEN id * 2 END', 'x bigint', 2n],
    ['list_transform([1, 2], lambda i: i + id)', 'x bigint[]', [2n, 3n]],
    ['v -- a comment', 'x varchar', 'a-b'],
    ["date_trunc('month', made)", 'x timestamp', '2026-11-01T00:00:00Z'],
  ])('%s', async (expression, type, value) => {
    const { columns, rows } = await derive(expression)
    expect(columns[3]).toBe(type)
    expect(rows[0]?.x).toEqual(value)
  })

  test.each([
    ['(select 1)', /a subquery/],
    ['exists(select 1)', /a subquery/],
    ['id, v', /more than one expression|parse/],
    ['id) , (v', /more than one expression/],
    ['id) FROM range(3) t(i) WHERE (true', /more than one expression/],
    ['1); DROP TABLE x; SELECT (1', /only select/i],
    ['sum(id)', /`sum` is no function of one row/],
    ['row_number() over ()', /a window function/],
    ["read_text('/etc/hostname')", /`read_text` is no function of one row/],
    ['random()', /does not give the same value every time/],
    ['now()', /does not give the same value every time/],
    ['ago(INTERVAL 1 DAY)', /depends on more than the row/],
    ["current_setting('temp_directory')", /depends on more than the row/],
    ["getenv('HOME')", /depends on more|no function/],
    ['unnest([1, 2])', /no function of one row/],
    ['nosuch(id)', /is no function/],
    ['*', /may not stand in it|parse|syntax/],
    ["columns('i.*')", /may not stand in it/],
    ["v + 'x'::DATE + 1", /./],
  ])('refuses %s', async (expression, message) => {
    const error = await failure(derive(expression))
    expect(error.code).toBe('invalid')
    expect(error.message).toMatch(message)
  })

  test('names the near miss of a column that does not exist', async () => {
    expect((await failure(derive('date(mad)'))).fix).toContain('Did you mean `made`')
  })

  test('sees the types after `--types`, the names after `--rename`, the constants of `--set`', async () => {
    const path = await suite.file('order.csv', 'Id,when\n1,2026-11-20\n')
    const { rows } = await suite.read(path, {
      rename: { when: 'day' },
      types: { day: 'timestamp', out: 'varchar' },
      set: { n: 2 },
      derive: { out: 'id + n', y: 'year(day)' },
    })
    expect(rows).toEqual([{ Id: 1n, day: '2026-11-20T00:00:00Z', n: 2n, out: '3', y: 2026n }])
  })
})

describe('folders', () => {
  const lay = async (name: string, folders: Record<string, string>) => {
    for (const [folder, text] of Object.entries(folders)) {
      await mkdir(`${suite.folder}/${name}/${folder}`, { recursive: true })
      await writeFile(`${suite.folder}/${name}/${folder}/a.csv`, text)
    }
    return `${suite.folder}/${name}`
  }

  test('supply the columns that the files lack, as text by the grammar', async () => {
    const folder = await lay('h1', {
      'dt=2026-11-20/region=US%2FEast': 'id\n1\n',
      'dt=2026-11-21/region=__HIVE_DEFAULT_PARTITION__': 'id\n2\n',
      '_hidden/dt=2026-11-22/region=x': 'id\n3\n',
    })
    const { columns, rows } = await suite.read(folder)
    expect(columns).toEqual(['id bigint', 'dt date', 'region varchar'])
    expect(rows).toEqual([
      { id: 1n, dt: '2026-11-20', region: 'US/East' },
      { id: 2n, dt: '2026-11-21', region: null },
    ])
  })

  test('of any number', async () => {
    const folder = await lay(
      'h2',
      Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`n=${i}/m=0${i}`, `id,m\n${i},${i}\n`])),
    )
    const { rows, columns } = await suite.read(`${folder}/*/*/*.csv`, {}, { provenance: true })
    expect(columns).toEqual(['id bigint', 'm bigint', 'n bigint'])
    expect(rows.every(({ id, n, m }) => id === n && id === m)).toBe(true)
    const fast = await suite.read(`${folder}/*/*/*.csv`)
    expect(fast.rows.map(({ n }) => n).sort()).toEqual(rows.map(({ n }) => n).sort())
  })

  test('with files of several formats are united; what is no data is left out', async () => {
    const folder = await lay('h3', { x: 'id,v\n1,a\n' })
    await writeFile(`${folder}/x/b.ndjson`, '{"id":2,"v":"b"}\n')
    await writeFile(`${folder}/x/README.md`, '# no data')
    await suite.engine.run(`COPY (SELECT 3::BIGINT AS id, 'c' AS v) TO '${folder}/x/c.parquet' (FORMAT parquet)`)
    const { rows } = await suite.read(files(folder))
    expect(rows.map(({ id, v }) => `${id}${v}`).sort()).toEqual(['1a', '2b', '3c'])
  })

  test('without any data are refused', async () => {
    await mkdir(`${suite.folder}/void`, { recursive: true })
    expect((await failure(suite.read(`${suite.folder}/void`))).code).toBe('invalid')
    expect((await failure(suite.read(`${suite.folder}/nothing-*.csv`))).code).toBe('invalid')
  })
})

describe('provenance', () => {
  test('gives every row its file and number', async () => {
    const lines = Array.from({ length: 30_000 }, (_, i) => `${i + 1},v`)
    const a = await suite.file('prov1.csv', `id,v\n${lines.join('\n')}\n`)
    const b = await suite.file('prov2.csv', `id,v\n${lines.join('\n')}\n`)
    const { rows } = await suite.read([files([a, b])], {}, { provenance: true })
    expect(rows).toHaveLength(60_000)
    expect(rows.every((row) => row.id === row.__lw_row)).toBe(true)
    expect(new Set(rows.map((row) => row.__lw_file))).toEqual(new Set([a, b]))
  })

  test('names of its own kind are refused in the input', async () => {
    expect((await failure(suite.read(await suite.file('own.csv', '__lw_row\n1\n')))).message).toMatch(
      /kept for lakewright/,
    )
  })
})
