import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { query } from '../../src/read/query.js'
import { openMemory } from '../../src/store/memory.js'
import type { Store } from '../../src/store/port.js'
import { seeded } from '../property/seed.js'
import {
  type Change,
  changeData,
  feed,
  type Person,
  part,
  parted,
  people,
  reading,
  recorded,
  schema,
} from './people.js'
import { openWorkshop, type Part, type Workshop } from './table.js'

let workshop: Workshop
beforeAll(async () => {
  workshop = await openWorkshop()
})
afterAll(() => workshop.close())

/** Random histories: a version and the changes after it are any later version. */
describe('rows of a version and the changes after it', () => {
  type Rows = Map<string, number>
  const ids = fc.integer({ min: 1, max: 5 })
  const value = fc.constantFrom('a', 'b', null)
  const regions = fc.constantFrom('p', 'q', null)
  const row = fc.tuple(ids, value, regions)
  const kinds = fc.constantFrom('append', 'replace', 'merge', 'compact', 'delete')
  const history = fc.array(fc.tuple(kinds, fc.array(row, { maxLength: 5 })), { minLength: 2, maxLength: 6 })
  type Step = [kind: string, rows: [number, string | null, string | null][]]

  const text = (id: unknown, name: unknown, region: unknown) => JSON.stringify([Number(id), name, region])
  const add = (rows: Rows, one: string, n: number) => {
    const now = (rows.get(one) ?? 0) + n
    if (now === 0) rows.delete(one)
    else rows.set(one, now)
  }
  const sorted = (rows: Rows) => [...rows].sort(([a], [b]) => (a < b ? -1 : 1))

  test.each([
    ['with a key', ['id'], true],
    ['with a key that rows repeat', ['id'], false],
    ['without a key', [], false],
  ])(
    '%s, are the rows of any later version',
    async (_, key, unique) => {
      await fc.assert(
        fc.asyncProperty(history as fc.Arbitrary<Step[]>, async (steps) => {
          const store = openMemory(`memory://history-${Math.random()}`)
          const versions = await play(store, steps, key, unique)
          const pairs = versions.flatMap((_, b) => versions.slice(0, b).map((_, a) => [a, b] as const))
          for (const [since, until] of pairs.filter((_, i) => i % 3 === 0)) {
            for (const net of [false, true]) {
              const rows = new Map(versions[since])
              const found = await feed(store, { since, until, net })
              for (const { id, name, region, _change_type: type } of found)
                add(rows, text(id, name, region), type === 'insert' || type === 'update_postimage' ? 1 : -1)
              expect(sorted(rows)).toEqual(sorted(versions[until] ?? new Map()))
              if (net && unique) expectOnePerKey(found)
              if (!net) expectInOrder(found)
            }
          }
          expect(Number((await query(reading(store), 'select count(*) n from t').toArray())[0]?.n)).toBe(
            [...(versions.at(-1)?.values() ?? [])].reduce((sum, n) => sum + n, 0),
          )
        }),
        seeded({ numRuns: 8 }),
      )
    },
    300_000,
  )

  /** Writes the history; merges record their changes, the others do not. @returns the rows of each version */
  async function play(store: Store, steps: Step[], key: string[], unique: boolean): Promise<Rows[]> {
    const versions: Rows[] = []
    const files = new Map<string, Step[1]>()
    await workshop.write(store, schema, [], { ...parted, key })
    versions.push(new Map())
    for (const [kind, given] of steps) {
      const old = [...files.values()].flat()
      const came = unique ? distinct(given) : given
      const hit = new Set(came.map(([id]) => id))
      const news = kind === 'append' && unique ? came.filter(([id]) => !old.some(([other]) => other === id)) : came
      const touched =
        kind === 'append' ? [] : kind === 'merge' || kind === 'delete' ? filesWith(files, hit) : [...files.keys()]
      const rest = touched.flatMap((path) => files.get(path) ?? [])
      const kept = rest.filter(([id]) => !hit.has(id))
      const left =
        kind === 'compact'
          ? rest
          : kind === 'replace'
            ? came
            : kind === 'delete'
              ? kept
              : kind === 'merge'
                ? [...kept, ...came]
                : news
      const gone = rest.filter(([id]) => hit.has(id))
      const parts = byRegion(left).map(([region, rows]) => {
        const made = part(region, people(...rows.map(([id, name]): Person => [id, name])))
        files.set(made.key, rows)
        return made
      })
      for (const path of touched) files.delete(path)
      const records = kind === 'merge' && gone.length > 0
      await workshop.write(store, schema, parts, {
        ...parted,
        remove: touched,
        ...(kind === 'compact' ? { dataChange: false } : {}),
        ...(records ? { changeData: changeFiles(gone, came, unique) } : {}),
      })
      const rows: Rows = new Map()
      for (const one of [...files.values()].flat()) add(rows, text(...one), 1)
      versions.push(rows)
    }
    return versions
  }

  function changeFiles(gone: Step[1], came: Step[1], unique: boolean): Part[] {
    const typed = (rows: Step[1], others: Step[1], update: string, alone: string) =>
      rows.map(([id, name, region]) => {
        const type = unique && others.some(([other]) => other === id) ? update : alone
        return { region, change: [type, id, name] as Change }
      })
    const all = [...typed(gone, came, 'update_preimage', 'delete'), ...typed(came, gone, 'update_postimage', 'insert')]
    return [...new Set(all.map(({ region }) => region))].map((region) =>
      changeData(region, recorded(...all.filter((one) => one.region === region).map(({ change }) => change))),
    )
  }

  function filesWith(files: Map<string, Step[1]>, hit: Set<number>): string[] {
    return [...files].filter(([, rows]) => rows.some(([id]) => hit.has(id))).map(([path]) => path)
  }
  function byRegion(rows: Step[1]): [string | null, Step[1]][] {
    return [...new Set(rows.map(([, , region]) => region))].map((region) => [
      region,
      rows.filter((one) => one[2] === region),
    ])
  }
  function distinct(rows: Step[1]): Step[1] {
    return rows.filter(([id], i) => rows.findIndex(([other]) => other === id) === i)
  }
  function expectOnePerKey(rows: Record<string, unknown>[]): void {
    const seen = rows.filter(({ _change_type: type }) => type !== 'update_preimage').map(({ id }) => id)
    expect(new Set(seen).size).toBe(seen.length)
  }
  function expectInOrder(rows: Record<string, unknown>[]): void {
    const order = rows.map(({ _commit_version: version }) => Number(version))
    expect(order).toEqual(order.toSorted((a, b) => a - b))
  }
})
