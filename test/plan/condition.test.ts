/** What conditions of `merge` and `delete` may say, and what files can be told by them without being read. */
import { describe, expect, test } from 'vitest'
import type { AddFile } from '../../src/manifest/actions.js'
import { encodeStats } from '../../src/manifest/stats.js'
import { parsePredicate, predicateText } from '../../src/partition/scope.js'
import { columnsIn, conditionSql, parseCondition } from '../../src/plan/condition.js'
import { partitionsOf, possibleAnswers } from '../../src/plan/possible.js'
import type { LakeType, Schema } from '../../src/schema/types.js'

const column = (name: string, kind: 'bigint' | 'varchar' | 'boolean' | 'timestamp' | 'date' | 'double') => ({
  name,
  type: { kind } as LakeType,
  nullable: true,
})
const rows = {
  incoming: [column('id', 'bigint'), column('at', 'timestamp'), column('Gone', 'boolean'), column('a.b', 'varchar')],
  current: [column('id', 'bigint'), column('at', 'timestamp'), column('dt', 'date'), column('city', 'varchar')],
}

describe('conditions of merge', () => {
  test.each([
    ['incoming.gone', 'coalesce(("incoming"."Gone" = CAST(\'true\' AS BOOLEAN)), false)'],
    ['not gone', 'coalesce((NOT ("incoming"."Gone" = CAST(\'true\' AS BOOLEAN))), false)'],
    ['INCOMING.at > Current.at', 'coalesce(("incoming"."at" > "current"."at"), false)'],
    ['current.dt <= incoming.at', 'coalesce(("current"."dt" <= "incoming"."at"), false)'],
    [`incoming."a.b" = 'it''s'`, `coalesce(("incoming"."a.b" = 'it''s'), false)`],
    [
      'current.id in (1, 2) and at is null',
      `coalesce((("current"."id" IN (CAST('1' AS BIGINT), CAST('2' AS BIGINT))) AND ("incoming"."at" IS NULL)), false)`,
    ],
    ["city = 'Rome'", `coalesce(("current"."city" = 'Rome'), false)`],
    ['7 < incoming.id', `coalesce(("incoming"."id" > CAST('7' AS BIGINT)), false)`],
    ['true', 'coalesce(true, false)'],
  ])('deleteWhen %s', (text, sql) => {
    expect(conditionSql(parseCondition(text, 'deleteWhen', rows))).toBe(sql)
  })

  test('a row that is not there has nulls', () => {
    const condition = parseCondition('current.id is null or current.at < incoming.at', 'deleteWhen', rows)
    expect(conditionSql(condition, { withoutCurrent: true })).toBe(
      'coalesce(((CAST(NULL AS BIGINT) IS NULL) OR (CAST(NULL AS TIMESTAMP WITH TIME ZONE) < "incoming"."at")), false)',
    )
  })

  test('name the columns that they look at, row by row', () => {
    const condition = parseCondition('gone and (at > current.at or not city is null)', 'deleteWhen', rows)
    expect(columnsIn(condition, 'incoming')).toEqual(new Set(['gone', 'at']))
    expect(columnsIn(condition, 'current')).toEqual(new Set(['at', 'city']))
  })

  test.each([
    ['whenMatched', 'at > 2026-11-20', 'both rows have a column `at`', 'Write `incoming.at` or `current.at`.'],
    [
      'whenMatched',
      'incoming.dt = 2026-11-20',
      '`incoming` has no column `dt`',
      'Did you mean `at`? Columns here are id, at, Gone, a.b.',
    ],
    [
      'whenMatched',
      'inkoming.id = 1',
      '`inkoming.` names nothing',
      'Columns are named after `incoming.` or `current.`.',
    ],
    ['whenMatched', 'incoming.at > incoming.gone', 'which cannot be compared', 'Compare columns of one kind.'],
    ['whenMatched', 'incoming.at >', 'a value is missing', 'Write a number, or text in single quotes.'],
    ['deleteWhen', 'incoming. = 1', 'a column of `incoming` is missing', 'Write `incoming.COLUMN`.'],
    ['deleteWhen', 'city = Rome', '`Rome` is no value', "Put text in single quotes: 'Rome'."],
    ['deleteWhen', 'incoming.at between current.at and current.at', '`current` is no value', undefined],
    ['deleteWhen', 'incoming.id = null', 'a comparison with null is never true', 'Write `is null` or `is not null`.'],
  ] as const)('%s %s is refused', (setting, text, message, fix) => {
    expect(() => parseCondition(text, setting, rows)).toThrow(
      expect.objectContaining({
        code: 'invalid',
        message: expect.stringContaining(message),
        ...(fix ? { fix } : {}),
      }),
    )
  })

  test('scopes compare columns with values alone', () => {
    const options = { columns: rows.current, what: 'scope' }
    expect(() => parsePredicate('at > dt', options)).toThrow('`dt` is no value')
    expect(() => parsePredicate('current.dt = 2026-11-20', options)).toThrow('`current.` names nothing')
  })
})

describe('what a file says of a condition', () => {
  const schema: Schema = [
    column('dt', 'date'),
    column('id', 'bigint'),
    column('city', 'varchar'),
    column('price', 'double'),
    column('other', 'bigint'),
  ]
  const table = { schema, partitionBy: ['dt'] }
  const file: AddFile = {
    key: 'dt=2026-11-20/a.parquet',
    partitionValues: { dt: '2026-11-20' },
    sizeBytes: 1,
    modificationTime: 0,
    dataChange: true,
    stats: encodeStats(10, schema, {
      id: { min: '10', max: '20', nullCount: 0 },
      city: { min: 'Bari', max: 'Rome', nullCount: 3 },
      price: { min: '1.5', max: '2.5', nullCount: 0 },
      other: { nullCount: 10 },
    }),
  }

  test.each([
    ['dt = 2026-11-20', 'T'],
    ['dt < 2026-11-20', 'F'],
    ['dt is null', 'F'],
    ['dt in (2026-11-20, 2026-11-21) and id >= 10', 'T'],
    ['id between 10 and 20', 'T'],
    ['id = 15', 'TF'],
    ['id = 7', 'F'],
    ['not id = 7', 'T'],
    ['id <> 15', 'TF'],
    ['id is not null', 'T'],
    ["city >= 'Bari'", 'TN'],
    ["city > 'Siena'", 'FN'],
    ["city > 'Siena' or id > 5", 'T'],
    ["city > 'Siena' and id > 25", 'F'],
    ['city is null', 'TF'],
    // Of floats a bound says nothing about what lies above: there may be NaN.
    ['price < 3.0', 'TF'],
    ['price < 1.0', 'F'],
    ['other = 1', 'N'],
    ['not other = 1', 'N'],
    ['other is null', 'T'],
    ['id > other', 'TFN'],
    ['true', 'T'],
    ['not true', 'F'],
  ])('%s: %s', (text, letters) => {
    const predicate = parsePredicate(text, { columns: schema, what: 'where', comparesColumns: true })
    expect(lettersOf(possibleAnswers(predicate, file, table))).toBe(letters)
  })

  test('without statistics anything may be, and in a file without rows nothing', () => {
    const predicate = parsePredicate('id = 7', { columns: schema, what: 'where' })
    const { stats: _, ...unknown } = file
    expect(lettersOf(possibleAnswers(predicate, unknown, table))).toBe('TFN')
    expect(lettersOf(possibleAnswers(predicate, { ...file, stats: encodeStats(0, schema, {}) }, table))).toBe('')
  })

  test.each([
    ['id = 7', 'true'],
    ['dt = 2026-11-20 and id = 7', "dt = '2026-11-20'"],
    ['dt = 2026-11-20 or id = 7', 'true'],
    ['not (dt = 2026-11-20 or id = 7)', "dt <> '2026-11-20'"],
    ['not (dt = 2026-11-20 and id = 7)', 'true'],
    [
      'dt is not null and id > other and (dt > 2026-11-01 or dt is null)',
      "(dt > '2026-11-01' or dt is null) and dt is not null",
    ],
  ])('the partitions that %s can be true in: %s', (text, partitions) => {
    const predicate = parsePredicate(text, { columns: schema, what: 'where', comparesColumns: true })
    const part = partitionsOf(predicate, ['dt'])
    expect(predicateText(part)).toBe(predicateText(parsePredicate(partitions, { columns: schema, what: 'scope' })))
  })
})

function lettersOf(possible: { true: boolean; false: boolean; null: boolean }): string {
  return `${possible.true ? 'T' : ''}${possible.false ? 'F' : ''}${possible.null ? 'N' : ''}`
}
