import { afterEach, describe, expect, test } from 'vitest'
import type { Row } from '../../src/engine/port.js'
import type { LakeError } from '../../src/errors.js'
import { systemRuntime } from '../../src/runtime.js'
import { typeName } from '../../src/schema/names.js'
import { type EventRows, eventRows } from '../../src/source/events.js'
import { type LoadInput, openInput } from '../../src/source/open.js'
import type { Input, ReadingSettings } from '../../src/source/port.js'
import { failure, useReading } from './reading.js'

const suite = useReading()
let input: Input | undefined
afterEach(() => input?.close())

interface Events extends EventRows {
  /** Those that are events. */
  rows: Row[]
  ignoredRows: number
}

/** As the mode does it: open, say what the rows are as events, run it, refine and run again. */
async function events(
  inputs: LoadInput | LoadInput[],
  settings: { opColumn?: string; orderColumn?: string },
  reading: ReadingSettings = {},
): Promise<Events> {
  const context = { engine: suite.engine, runtime: systemRuntime, spoolFolder: suite.folder, evolve: false }
  const list = Array.isArray(inputs) ? inputs : [inputs]
  input = await openInput(list, reading, { ...context, onReject: 'fail', absent: true })
  for (;;) {
    try {
      const made = eventRows(input, settings)
      const rows = await suite.engine.rows(`SELECT * FROM (${made.select}) ORDER BY __lw_seq`)
      const [beside] = made.ignored === undefined ? [{ n: 0n }] : await suite.engine.rows(made.ignored)
      const of = rows.filter((row) => row.__lw_op !== null)
      return { ...made, rows: of, ignoredRows: rows.length - of.length + Number(beside?.n) }
    } catch (error) {
      if (!(await input.refine(error))) throw error
    }
  }
}

const plain = { opColumn: 'op', orderColumn: 'v' }
const refused = (...of: Parameters<typeof events>): Promise<LakeError> => failure(events(...of))

describe('operations', () => {
  test.each([
    ['u', ['I', 'insert', 'C', 'Create', 'r', 'READ', 'U', 'update', 'Upsert', 'update_postimage']],
    ['d', ['D', 'delete']],
    ['t', ['t', 'TRUNCATE']],
  ])('%s', async (op, words) => {
    const { rows, ignoredRows } = await events([words.map((word, at) => ({ id: at, op: word, v: at }))], plain)
    expect(rows.map((row) => row.__lw_op)).toEqual(words.map(() => op))
    expect(ignoredRows).toBe(0)
  })

  test('the op column is no column of the row, the order is one', async () => {
    const path = await suite.file('plain.ndjson', '{"id":1,"Op":"I","v":5,"x":null}\n{"id":2,"Op":"D","v":6}')
    const { rows, schema, unstored, orderKind, orderColumn, orderType } = await events(path, plain)
    expect(schema.map(({ name }) => name)).toEqual(['id', 'v', 'x'])
    expect(unstored).toEqual(['Op'])
    expect([orderKind, orderColumn, typeName(orderType)]).toEqual(['column:v', 'v', 'bigint'])
    expect(rows).toEqual([
      { id: 1n, v: 5n, x: null, __lw_op: 'u', __lw_order: 5n, __lw_absent: [], __lw_seq: 1n },
      { id: 2n, v: 6n, x: null, __lw_op: 'd', __lw_order: 6n, __lw_absent: ['x'], __lw_seq: 2n },
    ])
  })

  test.each([
    ['an unknown one', '{"id":1,"op":"I","v":1}\n{"id":2,"op":"X","v":2}', 'X', /not known/],
    ['null', '{"id":1,"op":"I","v":1}\n{"id":2,"op":null,"v":2}', 'null', /has no operation/],
    ['an absent one', '{"id":1,"op":"I","v":1}\n{"id":2,"v":2}', 'null', /has no operation/],
    ['blanks around it', '{"id":1,"op":"I","v":1}\n{"id":2,"op":"I ","v":2}', 'I ', /not known/],
  ])('%s is refused with its row', async (_, text, value, message) => {
    const path = await suite.file('unknown.ndjson', text)
    const error = await refused([await suite.file('first.csv', 'id,op,v\n0,D,0\n'), path], plain)
    expect(error.code).toBe('invalid')
    expect(error.message).toMatch(message)
    expect(error.details).toMatchObject({ file: path, row: 2, column: 'op', value })
    expect(error.fix).toContain('upsert')
  })

  test('that a CSV has as numbers are refused with their row', async () => {
    const error = await refused(await suite.file('numbers.csv', 'id,op,v\n1,2,7\n'), plain)
    expect(error.details).toMatchObject({ row: 1, value: '2' })
  })

  test('a column that does not exist is refused, with the near miss', async () => {
    const error = await refused([[{ id: 1, opp: 'I', v: 1 }]], plain)
    expect(error.details).toMatchObject({ column: 'op' })
    expect(error.fix).toContain('`opp`')
  })

  test('nothing that says the operation is refused', async () => {
    expect((await refused([[{ id: 1, v: 1 }]], { orderColumn: 'v' })).fix).toContain('--op-column')
  })
})

describe('Snowflake streams', () => {
  const header = 'id,name,v,METADATA$ACTION,METADATA$ISUPDATE,METADATA$ROW_ID\n'
  const settings = { opColumn: 'metadata$action', orderColumn: 'v' }
  test('the old half of an update is ignored; its metadata is not stored', async () => {
    const path = await suite.file(
      'stream.csv',
      `${header}1,old,1,DELETE,true,a1\n1,new,2,INSERT,true,a1\n2,gone,1,DELETE,false,b2\n3,first,3,INSERT,false,c3\n`,
    )
    const { rows, schema, unstored, ignoredRows } = await events(path, settings)
    expect(rows.map((row) => [row.id, row.name, row.__lw_op])).toEqual([
      [1n, 'new', 'u'],
      [2n, 'gone', 'd'],
      [3n, 'first', 'u'],
    ])
    expect(ignoredRows).toBe(1)
    expect(schema.map(({ name }) => name)).toEqual(['id', 'name', 'v'])
    expect(unstored).toEqual(['METADATA$ACTION', 'METADATA$ISUPDATE', 'METADATA$ROW_ID'])
  })

  test('text says whether it is an update as well', async () => {
    const row = { id: 1, v: 1, METADATA$ACTION: 'DELETE', METADATA$ISUPDATE: 'TRUE' }
    expect((await events([[row]], settings)).ignoredRows).toBe(1)
  })

  test('without METADATA$ISUPDATE the halves could not be told apart', async () => {
    const error = await refused([[{ id: 1, v: 1, METADATA$ACTION: 'DELETE' }]], settings)
    expect(error.details).toMatchObject({ column: 'METADATA$ISUPDATE' })
  })
})

test("Delta's change feed: preimages are ignored, and the reserved columns are not stored, also as the order", async () => {
  const rows = ['insert', 'update_preimage', 'update_postimage', 'delete'].map((_change_type, at) => ({
    id: 1,
    _change_type,
    _commit_version: at,
    _commit_timestamp: new Date(at),
    _changed_columns: null,
  }))
  const settings = { opColumn: '_change_type', orderColumn: '_commit_version' }
  const made = await events([rows], settings)
  expect(made.rows.map((row) => [row.__lw_op, row.__lw_order])).toEqual([
    ['u', 0n],
    ['u', 2n],
    ['d', 3n],
  ])
  expect(made.ignoredRows).toBe(1)
  expect(made.schema.map(({ name }) => name)).toEqual(['id'])
  expect(made.orderKind).toBe('column:_commit_version')
  expect(made.orderColumn).toBeUndefined()
})

describe('the order', () => {
  test.each([
    ['integer', '7', 7],
    ['decimal(20,0)', '18446744073709551615', '18446744073709551615'],
    ['decimal(5,2)', '1.50', '1.50'],
    ['date', '2026-01-01', '2026-01-01'],
    ['timestamp', '2026-01-01T00:00:00.000001Z', '2026-01-01T00:00:00.000001Z'],
  ])('may be a %s', async (type, text, value) => {
    const path = await suite.file('order.csv', `id,op,v\n1,I,${text}\n`)
    const { rows, orderType } = await events(path, plain, { types: { v: type } })
    expect(typeName(orderType)).toBe(type)
    expect(rows[0]?.__lw_order).toEqual(value)
  })

  test.each([
    ['varchar', /--types "v=bigint"/],
    ['double', /integer, a decimal/],
    ['boolean', /integer, a decimal/],
  ])('may not be %s', async (type, fix) => {
    const value = { varchar: 'a', double: 1.5, boolean: true }[type]
    const error = await refused([[{ id: 1, op: 'I', v: value }]], plain)
    expect(error.details).toMatchObject({ column: 'v', type })
    expect(error.fix).toMatch(fix)
  })

  test.each([
    [
      'rows',
      [
        { id: 0, op: 'I', v: 0 },
        { id: 1, op: 'T', v: null },
      ],
    ],
  ])('null is refused with its row, of %s', async (_, rows) => {
    const error = await refused([rows], plain)
    expect(error.message).toMatch(/no order/)
    expect(error.details).toMatchObject({ row: 2, column: 'v' })
  })

  test('null is refused with its row, of a CSV', async () => {
    const path = await suite.file('null.csv', 'id,op,v\n1,I,5\n2,D,\n')
    expect((await refused(path, plain)).details).toMatchObject({ file: path, row: 2, column: 'v' })
  })

  test('nothing that says it is refused', async () => {
    expect((await refused([[{ id: 1, op: 'I' }]], { opColumn: 'op' })).fix).toContain('--order-column')
  })
})

describe('Debezium events', () => {
  const debezium = { format: 'debezium' } as const
  test('say both themselves', async () => {
    const made = await events('fixtures/debezium/postgres-unwrapped.ndjson', {}, debezium)
    expect(made.rows.map((row) => row.__lw_op)).toEqual(['u', 'u', 'u', 'd'])
    expect([made.orderKind, made.orderColumn, made.unstored, made.ignoredRows]).toEqual(['lsn', undefined, [], 1])
  })

  test('may be ordered by a column of the rows', async () => {
    const path = await suite.file('flat.ndjson', '{"id":1,"v":7}\n{"id":1,"v":6}')
    const made = await events(path, { orderColumn: 'v' }, debezium)
    expect(made.rows.map((row) => row.__lw_order)).toEqual([7n, 6n])
    expect([made.orderKind, made.orderColumn]).toEqual(['column:v', 'v'])
    expect((await refused(path, {}, debezium)).fix).toContain('add.fields')
  })

  test('take no op column', async () => {
    const error = await refused('fixtures/debezium/postgres-unwrapped.ndjson', { opColumn: 'id' }, debezium)
    expect(error.message).toMatch(/themselves/)
  })
})
