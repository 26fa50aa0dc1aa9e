import { expect, test } from 'vitest'
import { type Condition, conditionText } from './condition.js'
import { deleteRows } from './delete.js'
import { shown, table } from './tables.js'

const people = table({ key: ['id'] }, 'id n name removed', '1 5 Ann true', '2 - Bob -', '3 7 - false', '3 7 - false')
const n = { column: 'n' }

test.each<[string, Condition, string[]]>([
  ['n > 5', { op: 'compare', left: n, comparison: '>', right: { value: 5n } }, ['1', '2']],
  ['n <> 5', { op: 'compare', left: n, comparison: '<>', right: { value: 5n } }, ['1', '2']],
  ['not (n = 5)', not({ op: 'compare', left: n, comparison: '=', right: { value: 5n } }), ['1', '2']],
  ['n >= id', { op: 'compare', left: n, comparison: '>=', right: { column: 'id' } }, ['2']],
  ['n in (5, 6)', { op: 'in', left: n, values: [5n, 6n] }, ['2', '3', '3']],
  ['n between 6 and 7', { op: 'between', left: n, low: 6n, high: 7n }, ['1', '2']],
  ['n is null', { op: 'null', left: n, negated: false }, ['1', '3', '3']],
  ['name is not null', { op: 'null', left: { column: 'name' }, negated: true }, ['3', '3']],
  ['removed', { op: 'true', left: { column: 'removed' } }, ['2', '3', '3']],
  ['not (removed)', not({ op: 'true', left: { column: 'removed' } }), ['1', '2']],
  [
    "(removed) or (name = 'O''Bob')",
    {
      op: 'or',
      of: [
        { op: 'true', left: { column: 'removed' } },
        { op: 'compare', left: { column: 'name' }, comparison: '=', right: { value: "O'Bob" } },
      ],
    },
    ['2', '3', '3'],
  ],
])('delete where %s: rows for which it is true go, unknown is not true', (text, where, left) => {
  expect(conditionText(where)).toBe(text)
  const outcome = deleteRows(people, where)
  expect(shown(outcome, 'id')).toEqual(left)
  expect(outcome.counts).toEqual({ read: 0, deleted: 4 - left.length })
})

function not(of: Condition): Condition {
  return { op: 'not', of }
}
