/**
 * `cdc` does what the model says with random events: late, repeated, with absent columns, keys that are deleted and come
 * back, truncates.
 */
import fc from 'fast-check'
import { cdc } from '../../model/cdc.js'
import type { Row } from '../../model/table.js'
import type { Value } from '../../model/value.js'
import { agreesWithModel, callText, given, inputForm, type LoadCase, passed, scenarioOf } from './library.js'
import { type DomainColumn, rowOf, type Shape, shapeOf, weighted } from './shapes.js'

agreesWithModel('cdc', () => scenario)

/** Ascending. Truncates have every other one, so that none has the order of a row. */
const orders = fc.constantFrom<DomainColumn>(
  { name: 'seq', type: 'bigint', values: [-3n, 1n, 2n, 5n, 8n, 9n, 2n ** 62n] },
  { name: 'seq', type: 'date', values: ['0999-01-01', '2026-11-19', '2026-11-20', '2026-11-21', '9999-12-31'] },
  { name: 'seq', type: 'decimal(10,2)', values: ['-1.00', '0.05', '0.10', '9.99', '10.00', '99999999.99'] },
  {
    name: 'seq',
    type: 'timestamp',
    values: ['1969-12-31T23:59:59.500Z', '2026-11-20T10:00:00Z', '2026-11-20T10:00:00.000001Z', '2026-11-21T00:00:00Z'],
  },
)
const words = { upsert: ['I', 'U', 'update', 'c', 'R'], delete: ['D', 'delete'], truncate: ['T', 'truncate'] }

interface Mode {
  softDelete?: string
  tombstoneRetention?: string
}

const scenario = orders.chain((order) =>
  fc
    .record({
      shape: shapeOf({ reserved: [order] }),
      softDelete: weighted(30, fc.constant('is gone')),
      tombstoneRetention: weighted(20, fc.constantFrom('30m', '2h', '30d')),
    })
    .chain(({ shape, ...mode }) => scenarioOf(shape, eventsOf(shape, order, given(mode)))),
)

function eventsOf(shape: Shape, order: DomainColumn, mode: Mode): fc.Arbitrary<LoadCase> {
  const settings = { schema: 'evolve', opColumn: 'op', orderColumn: order.name, ...mode } as const
  const columns = [...shape.columns.map(({ name, type }) => ({ name, type })), { name: 'op', type: 'varchar' as const }]
  return fc
    .record({ form: inputForm, rows: fc.array(eventOf(shape, order), { maxLength: 16 }) })
    .map(({ form, rows }) => {
      const input = { columns, rows }
      const { tombstoneRetention = '30d', ...options } = settings as typeof settings & Mode
      const tombstoneRetentionMs = retentions[tombstoneRetention] ?? 0
      return {
        text: callText('cdc', input, settings, form),
        stamps: 'row',
        model: (before, load) => cdc(before, input, { ...options, tombstoneRetentionMs }, load),
        run: (table, common, known) => {
          const { rows: events, types } = passed(input, form, known)
          return table.cdc(events, { ...settings, types, ...common })
        },
      }
    })
}

const retentions: Record<string, number> = { '30m': 1_800_000, '2h': 7_200_000, '30d': 30 * 86_400_000 }

function eventOf(shape: Shape, order: DomainColumn): fc.Arbitrary<Row> {
  const { key, partitionBy } = shape
  const optional = shape.columns.map(({ name }) => name).filter((name) => !key.includes(name) && name !== order.name)
  return fc
    .record({
      row: rowOf(shape),
      kind: fc.constantFrom(...(['upsert', 'upsert', 'upsert', 'upsert', 'delete', 'delete'] as const)),
      truncates: weighted(3, fc.constant(true)),
      word: fc.nat(9),
      absent: weighted(40, fc.subarray(optional)),
      at: fc.nat(9),
      /** Seldom: the whole load is refused. */
      spoil: fc.nat(999).map((chance) => (['key', 'order', 'op'] as const)[chance - 500]),
    })
    .map(({ row, kind, truncates, word, absent = [], at, spoil }) => {
      const operation = truncates ? 'truncate' : kind
      const spelled = words[operation]
      const left = operation === 'truncate' ? [...key, ...optional] : absent
      const event: Record<string, Value> = Object.fromEntries(
        Object.entries(row).filter(([name]) => !left.includes(name) || partitionBy.includes(name)),
      )
      event[order.name] = orderAt(order, at, operation === 'truncate')
      event.op = spelled[word % spelled.length] ?? null
      if (spoil === 'key') event[key[0] ?? ''] = null
      if (spoil === 'order') event[order.name] = null
      if (spoil === 'op') event.op = 'X'
      return event
    })
}

function orderAt({ values }: DomainColumn, at: number, odd: boolean): Value {
  const mine = values.filter((_, index) => (index % 2 === 1) === odd)
  return mine[at % mine.length] ?? null
}
