/** A dump that broke, by the command line alone: held back, looked at, approved or discarded. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { json, lakewright, type Run } from './build.js'
import * as contract from './contract.js'

const dump = fileURLToPath(new URL('../../fixtures/italy-vaccinations/2021-03-29.csv.gz', import.meta.url))
const key = 'data_somministrazione,fornitore,area,fascia_anagrafica'

let folder: string
let lines: string[]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lakewright-held-'))
  lines = gunzipSync(await readFile(dump))
    .toString()
    .trimEnd()
    .split('\n')
  await writeFile(join(folder, 'header.csv'), `${lines[0]}\n`)
  await writeFile(join(folder, 'half.csv'), `${lines.slice(0, lines.length / 2).join('\n')}\n`)
  await writeFile(join(folder, 'empty.csv'), '')
  await ok(['sync', 'lake', '--from', dump, '--key', key, '--partition-by', 'data_somministrazione'])
}, 180_000)

afterAll(() => rm(folder, { recursive: true, force: true }))

describe('a broken dump', () => {
  it.each(['header.csv', 'half.csv', 'empty.csv'])('%s ends with exit 5 and changes nothing', async (name) => {
    const before = await ok(['show', 'lake'])
    const run = await cli(['sync', 'lake', '--from', name, '--load-id', name, '--json'])
    expect(run.code).toBe(5)
    const { error } = contract.failure.parse(json(run))
    expect(error.code).toBe('guard')
    expect(error.message).toContain('more than the 50% that maxDeleteRatio allows')
    expect(error.fix).toMatch(new RegExp(`lakewright approve \\S+/lake ${name}`))
    expect(error.fix).toMatch(new RegExp(`lakewright discard \\S+/lake ${name}`))
    expect(await ok(['show', 'lake'])).toEqual(before)
  })

  it('is listed with what it would do', async () => {
    const { loads } = (await ok(['loads', 'lake'])) as { loads: Record<string, unknown>[] }
    expect(loads.map(({ loadId }) => loadId)).toEqual(['header.csv', 'half.csv', 'empty.csv'])
    expect(loads[0]).toMatchObject({
      ...{ mode: 'sync', baseVersion: 0, baseHolds: true, created: false },
      guard: [{ guard: 'maxDeleteRatio', value: 1, limit: 0.5, rows: lines.length - 1, rowsBefore: lines.length - 1 }],
      rows: { read: 0, written: 0, inserted: 0, updated: 0, deleted: lines.length - 1, unchanged: 0, ignored: 0 },
    })
    const text = await cli(['loads', 'lake'])
    expect(text.stdout).toMatch(/^header\.csv \(sync, held .* ago, planned on version 0\)$/m)
    expect(text.stdout).toContain('rows would be deleted (100%), at most 50% (--max-delete-ratio)')
    expect(text.stdout).toContain('can be approved')
  })

  it('is discarded, and approved where it is right after all; then the others cannot be any more', async () => {
    expect(await ok(['discard', 'lake', 'header.csv'])).toEqual({ status: 'discarded', loadId: 'header.csv' })
    const receipt = await ok(['approve', 'lake', 'half.csv'])
    expect(receipt).toMatchObject({ status: 'committed', version: 1, loadId: 'half.csv', mode: 'sync' })
    expect(await ok(['approve', 'lake', 'half.csv'])).toMatchObject({ status: 'duplicate', version: 1 })
    const late = await cli(['approve', 'lake', 'empty.csv', '--json'])
    expect(late.code).toBe(3)
    expect(contract.failure.parse(json(late)).error.code).toBe('conflict')
    const text = await cli(['loads', 'lake'])
    expect(text.stdout).toContain('cannot be approved any more: version 1')
    expect((await cli(['discard', 'lake', 'empty.csv'])).code).toBe(0)
    expect(await ok(['loads', 'lake'])).toEqual({ loads: [] })
    expect((await cli(['loads', 'lake'])).stdout).toBe('no load is held back\n')
    expect(contract.verify.parse(await ok(['verify', 'lake', '--deep']))).toMatchObject({ ok: true, version: 1 })
  })

  it('is told by a dry run', async () => {
    const planned = (await ok(['sync', 'lake', '--from', 'empty.csv', '--dry-run'])) as { guard: object[] }
    expect(planned).toMatchObject({ status: 'planned', guard: [{ guard: 'maxDeleteRatio' }] })
    const text = await cli(['sync', 'lake', '--from', 'empty.csv', '--dry-run'])
    expect(text.code).toBe(0)
    expect(text.stderr).toContain('would hold it back')
    expect(await ok(['loads', 'lake'])).toEqual({ loads: [] })
  })
})

it('an id that no load has, and a table that is not there, are said', async () => {
  for (const args of [
    ['approve', 'lake', 'none'],
    ['discard', 'lake', 'none'],
    ['approve', 'lake', 'no/id'],
    ['loads', 'nowhere'],
    ['loads', 'lake@0'],
  ]) {
    const run = await cli([...args, '--json'])
    expect([args, run.code]).toEqual([args, 2])
    expect(contract.failure.parse(json(run)).error.code).toBe('invalid')
  }
})

function cli(args: string[]): Promise<Run> {
  return lakewright(args, { cwd: folder })
}

async function ok(args: string[]): Promise<unknown> {
  const run = await cli([...args, '--json'])
  if (run.code !== 0) throw new Error(`${args.join(' ')}: exit ${run.code}\n${run.stderr}`)
  return json(run)
}
