/** `lakewright changes`, as a process: on a table that a merge and a delete of the command line made. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { json, lakewright, type Run } from './build.js'
import * as contract from './contract.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lakewright-changes-'))
  await writeFile(join(folder, 'first.csv'), 'id,name,region\n1,Ann,EU\n2,Bob,EU\n3,Cid,US\n')
  await writeFile(join(folder, 'second.csv'), 'id,name,region\n2,Bea,EU\n3,Cid,EU\n4,Dan,\n')
  await ok(['merge', 'lake', '--from', 'first.csv', '--key', 'id', '--partition-by', 'region'])
  await ok(['merge', 'lake', '--from', 'second.csv'])
  await ok(['delete', 'lake', '--where', 'id = 1'])
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('changes', () => {
  it('are rows of the table with what happened to them, in JSON as a query has them', async () => {
    const { columns, rows } = contract.query.parse(await ok(['changes', 'lake', '--since', '0', '--until', '1']))
    expect(columns.slice(3)).toEqual([
      { name: '_change_type', type: 'VARCHAR' },
      { name: '_commit_version', type: 'BIGINT' },
      { name: '_commit_timestamp', type: 'TIMESTAMP WITH TIME ZONE' },
      { name: '_changed_columns', type: 'VARCHAR[]' },
    ])
    for (const row of rows) expect(row._commit_timestamp).toMatch(/^20.*Z$/)
    expect(rows.map(({ _commit_timestamp: _, ...row }) => row)).toEqual(
      [
        { id: 2, name: 'Bob', region: 'EU', _change_type: 'update_preimage', _changed_columns: ['name'] },
        { id: 2, name: 'Bea', region: 'EU', _change_type: 'update_postimage', _changed_columns: ['name'] },
        { id: 3, name: 'Cid', region: 'US', _change_type: 'update_preimage', _changed_columns: ['region'] },
        { id: 3, name: 'Cid', region: 'EU', _change_type: 'update_postimage', _changed_columns: ['region'] },
        { id: 4, name: 'Dan', region: null, _change_type: 'insert', _changed_columns: null },
      ].map((row) => ({ ...row, _commit_version: 1 })),
    )
  })

  it('are a table for people', async () => {
    const { code, stdout, stderr } = await cli(['changes', 'lake', '--since', '1'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^id {2}name {2}region {2}_change_type {2}_commit_version/)
    expect(stdout).toMatch(/\n 1 {2}Ann {3}EU {6}delete +2 {2}/)
  })

  it('are one per key with --net, and from the beginning with -1', async () => {
    const { rows } = contract.query.parse(await ok(['changes', 'lake', '--since', '-1', '--net']))
    expect(rows.map((row) => [row.id, row.name, row._change_type, row._commit_version])).toEqual([
      [2, 'Bea', 'insert', 1],
      [3, 'Cid', 'insert', 1],
      [4, 'Dan', 'insert', 1],
    ])
  })

  it('end with the version that the name of the table says', async () => {
    const { rows } = contract.query.parse(await ok(['changes', 'lake@0', '--since', '-1']))
    expect(rows.map((row) => row.id)).toEqual([1, 2, 3])
    const { error } = await fails(['changes', 'lake@0', '--since', '-1', '--until', '1'])
    expect(error).toMatchObject({ message: expect.stringContaining('--until') })
  })

  it('go to a file in every format, with a summary that says which versions they are', async () => {
    const summary = await ok(['changes', 'lake', '--since', '0', '--out', 'changes.csv'])
    expect(summary).toMatchObject({ out: 'changes.csv', format: 'csv', rows: 6, since: 0, until: 2 })
    const [header, first] = (await readFile(join(folder, 'changes.csv'), 'utf8')).split('\n')
    expect(header).toBe('id,name,region,_change_type,_commit_version,_commit_timestamp,_changed_columns')
    expect(first).toMatch(/^2,Bob,EU,update_preimage,1,20.*Z,name$/)
    for (const format of ['csv', 'ndjson', 'json', 'parquet', 'arrow']) {
      await ok(['changes', 'lake', '--since', '0', '--out', `changes.${format}`])
      const file = await readFile(join(folder, `changes.${format}`))
      const run = await cli(['changes', 'lake', '--since', '0', '--output', format])
      expect(run.stdout, format).toBe(file.toString())
    }
  })

  it('may begin and end with a time', async () => {
    const { rows } = contract.query.parse(await ok(['changes', 'lake', '--since', '2000-01-01']))
    expect(rows).toHaveLength(9)
    const { error } = await fails(['changes', 'lake', '--since', 'tomorrow'])
    expect(error.fix).toContain('ISO 8601')
  })

  it.each([
    [['changes', 'lake'], /--since/],
    [['changes', 'lake', '--since', '9'], /no such version/],
    [['changes', 'lake', '--since', '2', '--until', '1'], /end before they begin/],
    [['changes', 'nowhere', '--since', '0'], /no table here/],
    [['changes', 'lake', '--since', '0', '--json', '--output', 'csv'], /--json/],
  ])('%j is refused with exit 2', async (args, message) => {
    expect((await fails(args)).error.message).toMatch(message)
  })

  it('explain themselves', async () => {
    const { code, stdout } = await cli(['changes', '--help'])
    expect(code).toBe(0)
    for (const text of ['--since <version>', '--until <version>', '--net', '--output <format>', '_changed_columns'])
      expect(stdout).toContain(text)
    expect((await cli(['--help'])).stdout).toMatch(/Reading:[\s\S]*changes <table> --since <version>/)
  })

  it('can be turned on for a table that is there, and are computed for what was before', async () => {
    await ok(['append', 'plain', '--from', 'first.csv', '--key', 'id'])
    await ok(['merge', 'plain', '--from', 'second.csv'])
    expect(contract.set.parse(await ok(['set', 'plain', 'change-feed=on']))).toMatchObject({ version: 2 })
    await ok(['delete', 'plain', '--where', 'id = 1'])
    const of = async (table: string, since: string) =>
      contract.query
        .parse(await ok(['changes', table, '--since', since]))
        .rows.map((row) => [row.id, row.name, row.region, row._change_type, row._changed_columns])
    expect(await of('plain', '0')).toEqual(await of('lake', '0'))
  })
})

async function cli(args: string[]): Promise<Run> {
  return lakewright(args, { cwd: folder })
}

async function ok(args: string[]): Promise<unknown> {
  const run = await cli([...args, '--json'])
  if (run.code !== 0) throw new Error(`${args.join(' ')}: exit ${run.code}\n${run.stderr}${run.stdout}`)
  return json(run)
}

async function fails(args: string[]): Promise<ReturnType<typeof contract.failure.parse>> {
  const run = await cli(args.includes('--json') ? args : [...args, '--json'])
  expect(run.code).toBe(2)
  return contract.failure.parse(json(run))
}
