import { describe, expect, it } from 'vitest'
import { toJson } from '../../src/cli/output.js'
import { receiptText } from '../../src/cli/receipt-text.js'
import { displayWidth, textTable } from '../../src/cli/text-table.js'
import { bytes, count, counted, duration } from '../../src/cli/words.js'
import type { Receipt } from '../../src/receipt.js'

describe('a table for people', () => {
  it('aligns numbers to the right and text to the left', () => {
    const text = textTable(
      [{ name: 'dt' }, { name: 'n', align: 'right' }],
      [
        ['2026-11-20', '1,234'],
        ['x', '5'],
      ],
    )
    expect(text.split('\n')).toEqual([
      'dt              n',
      '──────────  ─────',
      '2026-11-20  1,234',
      'x               5',
    ])
  })

  it('counts the cells of wide and combining characters', () => {
    expect([displayWidth('日本'), displayWidth('e\u0301'), displayWidth('é'), displayWidth('😀a')]).toEqual([
      4, 1, 1, 3,
    ])
  })

  it('shows control characters of the data escaped, so that no data drives the terminal', () => {
    const text = textTable([{ name: 'a\nb' }], [['\u001b[2J'], ['x\ty\r\n'], ['\u202egnp']])
    expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}|\u202e/u)
    expect(text).toContain('\\u001b[2J')
    expect(text.split('\n')).toHaveLength(5)
  })

  it('shortens cells that are wider than allowed', () => {
    const lines = textTable([{ name: 'a' }, { name: 'b' }], [['x'.repeat(50), 'y']], 10).split('\n')
    expect(lines[2]).toBe(`${'x'.repeat(9)}…  y`)
  })
})

describe('numbers for people', () => {
  it('counts', () => {
    expect([count(0), count(999), count(1000), count(1234567)]).toEqual(['0', '999', '1,000', '1,234,567'])
    expect([counted(1, 'row'), counted(2, 'row')]).toEqual(['1 row', '2 rows'])
  })

  it('bytes', () => {
    expect([0, 999, 1000, 1234567, 999_999, 42e9].map(bytes)).toEqual([
      '0 B',
      '999 B',
      '1.0 kB',
      '1.2 MB',
      '1.0 MB',
      '42 GB',
    ])
  })

  it('durations', () => {
    expect([12, 1234, 59_999, 83_000, 3_600_000].map(duration)).toEqual([
      '12 ms',
      '1.2 s',
      '1 min 0 s',
      '1 min 23 s',
      '1 h 0 min',
    ])
  })
})

describe('JSON', () => {
  it('writes integers beyond 2^53 as strings and safe ones as numbers', () => {
    expect(toJson({ a: 2n ** 53n, b: 2n ** 53n - 1n, c: -(2n ** 63n) })).toBe(
      '{"a":"9007199254740992","b":9007199254740991,"c":"-9223372036854775808"}',
    )
  })
})

describe('a receipt', () => {
  const receipt: Receipt = {
    status: 'committed',
    table: './lake/orders',
    created: false,
    version: 3,
    mode: 'replace',
    rows: { read: 1200, written: 1000, unchanged: 200, rejected: 0 },
    partitions: { replaced: ['dt=2026-11-20', 'dt=2026-11-21'], removed: [], unchanged: 1 },
    files: { added: 2, removed: 2 },
    bytes: { added: 1_200_000, removed: 1_100_000 },
    durationMs: 1234,
    io: { bytesRead: 0, bytesWritten: 1_300_000, requests: 12 },
  }

  it('says what happened in four lines', () => {
    expect(receiptText(receipt)).toBe(`committed version 3 of ./lake/orders (replace) in 1.2 s
  rows        1,200 read, 1,000 written, 200 unchanged
  partitions  2 replaced (dt=2026-11-20, dt=2026-11-21), 1 unchanged
  files       2 added (1.2 MB), 2 removed (1.1 MB)`)
  })

  it('names the columns where the load created the table', () => {
    const text = receiptText({ ...receipt, created: true, version: 0, columns: [{ name: 'id', type: 'bigint' }] })
    expect(text).toContain('created ./lake/orders, version 0')
    expect(text).toMatch(/id {6}bigint$/)
  })

  it('names four partitions and counts the others', () => {
    const replaced = Array.from({ length: 30 }, (_, day) => `dt=${day}`)
    const text = receiptText({ ...receipt, partitions: { replaced, removed: [], unchanged: 0 } })
    expect(text).toContain('30 replaced (dt=0, dt=1, dt=2, dt=3 and 26 others)')
  })

  it.each([
    ['unchanged', 'nothing to do'],
    ['duplicate', 'already loaded'],
    ['planned', 'nothing was changed'],
  ] as const)('says it where the load was %s', (status, words) => {
    expect(receiptText({ ...receipt, status })).toContain(words)
  })

  it('lists what a dry run would do to each partition', () => {
    const plan: Receipt['plan'] = [
      { partition: 'dt=1', action: 'replace', rows: { before: 10, after: 12 }, files: { added: 1, removed: 1 } },
      { partition: '', action: 'create', rows: { after: 1 }, files: { added: 1, removed: 0 } },
    ]
    const text = receiptText({ ...receipt, status: 'planned', plan })
    expect(text).toMatch(/dt=1 +replace +10 +12 +\+1 -1/)
    expect(text).toMatch(/\(table\) +create +1 +\+1 -0/)
  })
})
