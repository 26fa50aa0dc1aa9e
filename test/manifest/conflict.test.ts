import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Action, AddFile, Commit, Metadata, Snapshot } from '../../src/manifest/actions.js'
import { applyActions, type Footprint, type FootprintMode, judge, removeOf } from '../../src/manifest/change.js'
import { removesNow } from '../../src/manifest/commit-actions.js'
import { creation, file, footprint, metadata, partitions } from './tables.js'

const base = applyActions(undefined, {
  version: 0,
  timestamp: 1,
  actions: [...creation(), ...[file('a1'), file('a2'), file('b1', 'b')].map((add) => ({ add }))],
})
const theirs = (...actions: Action[]): Commit => ({
  version: 1,
  timestamp: 2,
  actions: [{ commitInfo: { txnId: 'them' } }, ...actions],
})
const add = (name: string, dt: string, dataChange = true): Action => ({ add: file(name, dt, { dataChange }) })
const remove = (name: string, dt: string, dataChange = true): Action => ({
  remove: removeOf(file(name, dt), 2, dataChange),
})
const retyped: Metadata = {
  ...metadata,
  schema: [...metadata.schema, { name: 'x', type: { kind: 'date' }, nullable: true }],
}

const commits = {
  'adds in a': theirs(add('n', 'a')),
  'adds in c': theirs(add('n', 'c')),
  'replaces in a': theirs(remove('a1', 'a'), remove('a2', 'a'), add('n', 'a')),
  'replaces in b': theirs(remove('b1', 'b'), add('n', 'b')),
  'removes all': theirs(remove('a1', 'a'), remove('a2', 'a'), remove('b1', 'b'), add('n', 'c')),
  'compacts a': theirs(remove('a1', 'a', false), remove('a2', 'a', false), add('n', 'a', false)),
  'compacts b': theirs(remove('b1', 'b', false), add('n', 'b', false)),
  'sets a property': theirs({ metaData: { ...metadata, configuration: { ...metadata.configuration, x: 'y' } } }),
  'adds a column': theirs({ metaData: retyped }),
  'changes the key': theirs({ metaData: { ...metadata, configuration: { 'lakewright.key': '["dt"]' } } }),
  'changes the protocol': theirs({ protocol: { minReaderVersion: 1, minWriterVersion: 2 } }),
  'fences another': theirs({ txn: { appId: 'lakewright.fence:x', version: 1n } }),
}
type Theirs = keyof typeof commits

const mine = {
  append: footprint('append'),
  // Looked at a and c: c is in its scope, and has no rows.
  replace: footprint('replace', {
    reads: partitions('a', 'c'),
    removes: keys('a1', 'a2'),
    replaces: new Set(['["a"]']),
  }),
  overwrite: footprint('overwrite', {
    reads: { kind: 'everything' },
    removes: keys('a1', 'a2', 'b1'),
    replaces: 'everything',
  }),
  merge: footprint('merge', { reads: partitions('a', 'c'), removes: keys('a1') }),
  compact: footprint('compact', { removes: keys('a1', 'a2') }),
  restore: footprint('restore', { reads: { kind: 'everything' } }),
  set: footprint('set', { changesTable: true }),
  vacuum: footprint('vacuum'),
} satisfies Partial<Record<FootprintMode, Footprint>>

function keys(...names: string[]): Set<string> {
  return new Set(names.map((name) => file(name, name.slice(0, 1)).key))
}

const verdicts: Record<keyof typeof mine, Record<Theirs, string>> = {
  append: row('rebase rebase rebase rebase rebase rebase rebase rebase replan replan rebase rebase'),
  replace: row(
    'conflict conflict conflict rebase conflict recompute-removes rebase rebase conflict conflict rebase rebase',
  ),
  overwrite: row(
    'conflict conflict conflict conflict conflict recompute-removes recompute-removes rebase conflict conflict rebase rebase',
  ),
  merge: row('replan replan replan rebase replan replan rebase rebase replan replan rebase rebase'),
  compact: row('rebase rebase drop rebase drop drop rebase drop drop drop drop rebase'),
  restore: row(
    'conflict conflict conflict conflict conflict recompute-removes recompute-removes conflict conflict conflict conflict rebase',
  ),
  set: row('rebase rebase rebase rebase rebase rebase rebase replan replan replan replan rebase'),
  vacuum: row('rebase rebase rebase rebase rebase rebase rebase rebase rebase rebase rebase rebase'),
}

function row(text: string): Record<Theirs, string> {
  const words = text.split(' ')
  return Object.fromEntries(Object.keys(commits).map((name, i) => [name, words[i] ?? ''])) as Record<Theirs, string>
}

const cells = Object.entries(verdicts).flatMap(([mode, columns]) =>
  Object.entries(columns).map(([name, verdict]) => [mode, name, verdict] as const),
)

describe('the table of conflicts', () => {
  test.each(cells)('%s, while another %s: %s', (mode, name, verdict) => {
    expect(judge(mine[mode as keyof typeof mine], commits[name as Theirs], base).verdict).toBe(verdict)
  })

  test.each(['sync', 'scd2', 'cdc', 'delete'] as const)('%s is judged as a merge', (mode) => {
    for (const [name, commit] of Object.entries(commits))
      expect([name, judge({ ...mine.merge, mode }, commit, base).verdict]).toStrictEqual([
        name,
        verdicts.merge[name as Theirs],
      ])
  })

  test('names the winner, the partitions and the reason', () => {
    expect(judge(mine.replace, commits['replaces in a'], base)).toStrictEqual({
      verdict: 'conflict',
      winner: { version: 1, timestamp: 2, info: { txnId: 'them' } },
      partitions: ['["a"]'],
      reason: 'it changed partitions that this load replaces or looked at',
    })
  })

  test('asks for more where two rules meet: a property set together with rows', () => {
    const both = theirs(...commits['sets a property'].actions, ...commits['adds in a'].actions)
    expect(judge(mine.replace, both, base).verdict).toBe('conflict')
    expect(judge(mine.append, both, base).verdict).toBe('rebase')
  })

  test('plans again on any load that moves progress which this one builds on', () => {
    const progress = new Set(['lakewright.progress:p:n:0'])
    const moved = theirs({ txn: { appId: 'lakewright.progress:p:n:0', version: 5n } })
    for (const footprint of Object.values(mine))
      expect(judge({ ...footprint, progress }, moved, base).verdict).toBe('replan')
  })

  test('plans again what must write a change feed that is turned on meanwhile, or off', () => {
    const configuration = { ...metadata.configuration, 'delta.enableChangeDataFeed': 'true' }
    const turnedOn = theirs({ metaData: { ...metadata, configuration } })
    for (const mode of ['merge', 'sync', 'scd2', 'cdc', 'delete'] as const) {
      expect(judge(footprint(mode), turnedOn).verdict).toBe('replan')
      expect(judge({ ...footprint(mode), metadata: { ...metadata, configuration } }, turnedOn).verdict).toBe('rebase')
      expect(
        judge({ ...footprint(mode), metadata: { ...metadata, configuration } }, commits['sets a property']).verdict,
      ).toBe('replan')
    }
    for (const mode of ['append', 'replace', 'overwrite'] as const)
      expect(judge(footprint(mode), turnedOn).verdict).toBe('rebase')
  })

  test('takes an emptied table for a conflict with any replace, also of a partition that was empty', () => {
    const elsewhere = footprint('replace', { reads: partitions('x'), replaces: new Set(['["x"]']) })
    expect(judge(elsewhere, commits['removes all'], base).verdict).toBe('conflict')
    expect(judge(elsewhere, commits['replaces in a'], base).verdict).toBe('rebase')
  })

  test('takes a remove without its partition for one of the partition that the file had, or of any', () => {
    const { partitionValues: _, ...bare } = removeOf(file('b1', 'b'), 2)
    const anonymous = theirs({ remove: bare })
    expect(judge(mine.merge, anonymous, base).verdict).toBe('rebase')
    expect(judge(mine.merge, anonymous).verdict).toBe('replan')
    expect(judge(mine.append, anonymous).verdict).toBe('rebase')
  })

  test('knows a partition that another writer spells otherwise', () => {
    const byNumber: Metadata = {
      ...metadata,
      schema: [{ name: 'dt', type: { kind: 'decimal', precision: 5, scale: 2 }, nullable: true }],
    }
    const load = footprint('replace', { reads: partitions('1.50'), metadata: byNumber })
    expect(judge(load, theirs(add('n', '1.5')), base).verdict).toBe('conflict')
    expect(judge(load, theirs(add('n', '2')), base).verdict).toBe('rebase')
  })
})

test('a file that one commit removes and adds (new statistics) stays, whatever the order of the lines', () => {
  const restated = file('a1', 'a', { stats: '{"numRecords":1}' })
  const actions: Action[] = [{ add: restated }, { remove: removeOf(file('a1'), 2) }]
  for (const lines of [actions, actions.toReversed()]) {
    const after = applyActions(base, theirs(...lines))
    expect(after.files.get(restated.key)).toStrictEqual(restated)
    expect(after.tombstones?.has(restated.key)).toBe(false)
  }
})

/**
 * A little model: a table is rows per partition; a load is a function of the rows it reads. What a load made of the base, put on
 * top of another commit, must be what it would have made had it run after that commit.
 */
describe('a load that is rebased', () => {
  test('gives what it would have given had it run after the other', () => {
    const load = fc.record({
      mode: fc.constantFrom<FootprintMode>('append', 'replace', 'overwrite', 'merge', 'delete', 'compact'),
      parts: fc.subarray(['a', 'b', 'c'], { minLength: 1 }),
    })
    const seen = new Set<string>()
    fc.assert(
      fc.property(fc.array(load, { maxLength: 4 }), load, load, (before, first, second) => {
        const world = new World()
        for (const one of before) world.run(one)
        const planned = world.plan(second)
        const state = world.state
        const other = world.plan(first)
        const verdict = judge(
          planned.footprint,
          { version: state.version + 1, timestamp: 1, actions: other.actions },
          state,
        ).verdict
        seen.add(verdict)
        if (verdict !== 'rebase' && verdict !== 'recompute-removes') return
        const between = world.apply(other.actions)
        const removes = removesNow(planned.footprint, between, 1)
        const actions =
          verdict === 'rebase' ? planned.actions : [...removes, ...planned.actions.filter((action) => 'add' in action)]
        const serial = world.plan(second).actions
        expect(
          world.rows(applyActions(between, { version: between.version + 1, timestamp: 1, actions })),
        ).toStrictEqual(
          world.rows(applyActions(between, { version: between.version + 1, timestamp: 1, actions: serial })),
        )
      }),
      { numRuns: 2_000 },
    )
    expect([...seen].sort()).toStrictEqual(['conflict', 'drop', 'rebase', 'recompute-removes', 'replan'])
  })
})

interface Load {
  mode: FootprintMode
  parts: string[]
}

class World {
  state: Snapshot = applyActions(undefined, { version: 0, timestamp: 1, actions: creation() })
  private readonly content = new Map<string, string[]>()
  private names = 0

  run(load: Load): void {
    this.apply(this.plan(load).actions)
  }

  apply(actions: Action[]): Snapshot {
    this.state = applyActions(this.state, { version: this.state.version + 1, timestamp: 1, actions })
    return this.state
  }

  rows(snapshot: Snapshot): Record<string, string[]> {
    const found: Record<string, string[]> = {}
    for (const { key, partitionValues } of snapshot.files.values()) {
      const part = partitionValues.dt ?? ''
      found[part] = [...(found[part] ?? []), ...(this.content.get(key) ?? [])].sort()
    }
    return Object.fromEntries(
      Object.entries(found)
        .filter(([, rows]) => rows.length > 0)
        .sort(),
    )
  }

  /** What the load makes of the table as it is now. */
  plan({ mode, parts }: Load): { footprint: Footprint; actions: Action[] } {
    const adds: AddFile[] = []
    let removes: AddFile[] = []
    const ids = new Set(parts.map((part) => JSON.stringify([part])))
    if (mode === 'append') adds.push(...parts.map((part) => this.write(part, [`new-${part}`])))
    if (mode === 'replace' || mode === 'overwrite') {
      removes = [...this.state.files.values()].filter(
        ({ partitionValues: { dt } }) => mode === 'overwrite' || parts.includes(dt ?? ''),
      )
      adds.push(...parts.map((part) => this.write(part, [`${mode}-${part}`])))
    }
    if (mode === 'merge' || mode === 'delete' || mode === 'compact')
      for (const part of parts) {
        const files = this.filesOf(part)
        if (mode === 'compact' && files.length < 2) continue
        const [gone, rows] = mode === 'compact' ? [files, this.rowsOf(files)] : this.rewritten(mode, files)
        removes.push(...gone)
        if (rows.length > 0) adds.push({ ...this.write(part, rows), dataChange: mode !== 'compact' })
      }
    const dataChange = mode !== 'compact'
    return {
      footprint: footprint(mode, {
        reads:
          mode === 'append' || mode === 'compact'
            ? { kind: 'nothing' }
            : mode === 'overwrite'
              ? { kind: 'everything' }
              : { kind: 'partitions', ids },
        removes: new Set(removes.map(({ key }) => key)),
        ...(mode === 'replace' ? { replaces: ids } : mode === 'overwrite' ? { replaces: 'everything' as const } : {}),
      }),
      actions: [
        ...removes.map((old) => ({ remove: removeOf(old, 1, dataChange) })),
        ...adds.map((one) => ({ add: one })),
      ],
    }
  }

  /** A merge adds a row that depends on all it read, a delete takes the least one: each rewrites the one file that holds the least row. */
  private rewritten(mode: 'merge' | 'delete', files: AddFile[]): [AddFile[], string[]] {
    const all = this.rowsOf(files)
    const least = all[0]
    const one = files.find((file) => this.content.get(file.key)?.includes(least ?? ''))
    const rows = one === undefined ? [] : this.rowsOf([one])
    const kept =
      mode === 'delete' ? rows.filter((_, i) => i !== rows.indexOf(least ?? '')) : [...rows, `of ${all.join('+')}`]
    return [one === undefined ? [] : [one], kept]
  }

  private filesOf(part: string): AddFile[] {
    return [...this.state.files.values()].filter(({ partitionValues: { dt } }) => dt === part)
  }

  private rowsOf(files: AddFile[]): string[] {
    return files.flatMap(({ key }) => this.content.get(key) ?? []).sort()
  }

  private write(part: string, rows: string[]): AddFile {
    const added = file(`f${this.names++}`, part)
    this.content.set(added.key, rows)
    return added
  }
}
