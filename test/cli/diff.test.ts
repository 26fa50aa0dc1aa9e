import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { buildCli, json, lakewright, type Run, type RunOptions } from './build.js'

const fixtures = fileURLToPath(new URL('../../fixtures/nga-constituents', import.meta.url))
const natural = z.int().min(0)

/** The JSON of CONTRACT §1, and how rows were compared. */
const contract = z.strictObject({
  inserted: natural,
  updated: natural,
  deleted: natural,
  unchanged: natural,
  changedColumns: z.record(z.string(), natural),
  schema: z.strictObject({ added: z.array(z.string()), removed: z.array(z.string()) }),
  algorithm: z.string(),
  proved: z.literal(true).optional(),
})

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lakewright-diff-cli-'))
  await buildCli()
  await writeFile(join(folder, 'old.csv'), 'id,city,n\n1,Rome,1\n2,Oslo,2\n3,Bonn,3\n')
  await writeFile(join(folder, 'new.csv'), 'city,id,n,extra\nMilan,1,1,\nOslo,2,2,\nGraz,4,4,x\n')
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const cli = (args: string[], options: RunOptions = {}): Promise<Run> => lakewright(args, { cwd: folder, ...options })

describe('diff', () => {
  it('answers with the JSON of the contract, and nothing else on standard output', async () => {
    const run = await cli(['diff', 'old.csv', 'new.csv', '--key', 'id', '--json'])
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(contract.parse(json(run))).toMatchObject({
      inserted: 1,
      updated: 1,
      deleted: 1,
      unchanged: 1,
      changedColumns: { city: 1 },
      schema: { added: ['extra'], removed: [] },
    })
  })

  it('tells people on standard error', async () => {
    const run = await cli(['diff', 'old.csv', 'new.csv', '--key', 'id', '--prove'])
    expect(run).toMatchObject({ code: 0, stdout: '' })
    expect(run.stderr).toContain('1 inserted, 1 updated, 1 deleted, 1 unchanged')
    expect(run.stderr).toMatch(/columns added +extra/)
    expect(run.stderr).toMatch(/city +1/)
    expect(run.stderr).toContain('old + changes = new')
    const same = await cli(['diff', 'old.csv', 'old.csv', '--key', 'id'])
    expect(same.stderr).toContain('no difference in 3 rows')
  })

  it('writes the changed rows', async () => {
    const run = await cli([
      'diff',
      'old.csv',
      'new.csv',
      '--key',
      'id',
      '--out',
      'changes.csv',
      '--ignore',
      'n',
      '--exact',
      '--json',
    ])
    expect(contract.parse(json(run))).toMatchObject({ algorithm: 'exact' })
    expect(await readFile(join(folder, 'changes.csv'), 'utf8')).toBe(
      'city,id,n,extra,_change_type,_changed_columns\n' +
        'Rome,1,1,,update_preimage,city\n' +
        'Milan,1,1,,update_postimage,city\n' +
        'Bonn,3,3,,delete,\n' +
        'Graz,4,4,x,insert,\n',
    )
  })

  it('compares versions of a table by the key that it remembers', async () => {
    await cli(['append', 'lake', '--from', 'old.csv', '--key', 'id'])
    await cli(['overwrite', 'lake', '--from', 'old.csv', '--set', 'extra=1', '--schema', 'evolve'])
    expect(contract.parse(json(await cli(['diff', 'lake@0', 'lake', '--json'])))).toMatchObject({
      updated: 3,
      schema: { added: ['extra'] },
    })
    expect(contract.parse(json(await cli(['diff', 'lake@0', 'new.csv', '--json'])))).toMatchObject({ updated: 1 })
  })

  it('takes a header for each side, and standard input', async () => {
    await writeFile(join(folder, 'bare.txt'), '1;Rome\n2;Oslo\n')
    const how = ['--format', 'csv', '--delimiter', ';']
    const headers = ['--header', 'id,city', '--header', 'id,n,city']
    const run = await cli(['diff', 'bare.txt', '-', '--key', 'id', ...how, ...headers, '--json'], {
      input: '2;7;Oslo\n1;8;Milan\n',
    })
    expect(contract.parse(json(run))).toMatchObject({
      updated: 2,
      changedColumns: { city: 1, n: 2 },
      schema: { added: ['n'], removed: [] },
    })
    const wrong = await cli(['diff', 'bare.txt', 'bare.txt', '--key', 'id', ...how, ...headers, '--header', 'a'])
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('more than twice') })
  })

  it('reproduces the difference of two published states', async () => {
    const files = ['2023-05-23', '2023-05-24'].map((day) => join(fixtures, `${day}.csv.gz`))
    const asText = ['--types', '*=varchar', '--null-text', '']
    const run = await cli(['diff', ...files, '--key', 'constituentid', ...asText, '--prove', '--json'])
    expect(contract.parse(json(run))).toMatchObject({ inserted: 4, updated: 7, deleted: 1, proved: true })
  })

  it('refuses repeated keys with exit code 2, and takes the last by an order', async () => {
    await writeFile(join(folder, 'twice.csv'), 'id,city,n\n1,Rome,1\n1,Milan,2\n2,Oslo,2\n3,Bonn,3\n')
    const refused = await cli(['diff', 'old.csv', 'twice.csv', '--key', 'id', '--json'])
    expect(refused.code).toBe(2)
    expect(json(refused)).toMatchObject({
      status: 'failed',
      error: { code: 'invalid', message: expect.stringContaining('{"id":1} 2 times') },
    })
    const last = await cli([
      'diff',
      'old.csv',
      'twice.csv',
      '--key',
      'id',
      '--on-duplicate',
      'last',
      '--order-by',
      'n',
      '--json',
    ])
    expect(contract.parse(json(last))).toMatchObject({ updated: 1, changedColumns: { city: 1, n: 1 }, unchanged: 2 })
  })
})
