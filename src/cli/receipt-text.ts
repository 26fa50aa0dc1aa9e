/**
 * A receipt for people.
 *
 *   committed version 3 of ./lake/orders (replace) in 1.2 s
 *     rows        1,200 read, 1,000 written, 200 unchanged
 *     partitions  2 replaced (dt=2026-11-20, dt=2026-11-21), 1 unchanged
 *     files       2 added (1.2 MB), 2 removed (1.1 MB)
 */
import type { Receipt } from '../index.js'
import { guardText } from './guard-text.js'
import { printable, textTable } from './text-table.js'
import { bytes, count, counted, duration } from './words.js'

export function receiptText(receipt: Receipt): string {
  const lines = [heading(receipt)]
  if (receipt.status !== 'duplicate') {
    lines.push(`  rows        ${rowsText(receipt.rows)}`)
    const partitions = partitionsText(receipt)
    if (partitions) lines.push(`  partitions  ${partitions}`)
    lines.push(`  files       ${filesText(receipt)}`)
  }
  for (const guard of receipt.guard ?? []) lines.push(`  guard       would hold it back: ${guardText(guard)}`)
  if (receipt.rejectedFile !== undefined) lines.push(`  rejected    see ${receipt.rejectedFile}`)
  if (receipt.columns) lines.push('', indent(columnsText(receipt.columns)))
  if (receipt.plan) lines.push('', indent(planText(receipt.plan)))
  return lines.join('\n')
}

export function columnsText(columns: { name: string; type: string }[]): string {
  const rows = columns.map(({ name, type }) => [name, type])
  return textTable([{ name: 'column' }, { name: 'type' }], rows)
}

/** `1,200 read, 1,000 written`: the counts that apply, zeros beyond the first two left out. */
export function rowsText(rows: Partial<Receipt['rows']>): string {
  const order = [
    'read',
    'written',
    'inserted',
    'updated',
    'deleted',
    'unchanged',
    'ignored',
    'corrected',
    'rejected',
  ] as const
  const parts = order.flatMap((name, at) => {
    const value = rows[name]
    return value === undefined || (value === 0 && at > 1) ? [] : [`${count(value)} ${name}`]
  })
  return parts.join(', ')
}

function heading(receipt: Receipt): string {
  const { created, durationMs, loadId, mode, status, table, version } = receipt
  const by = `${mode}${loadId === undefined ? '' : `, load id ${loadId}`}`
  if (status === 'unchanged') return `nothing to do: ${table} stays at version ${version} (${by})`
  if (status === 'duplicate') return `already loaded: ${table} has this load in version ${version} (${by})`
  if (status === 'planned') return `dry run: nothing was changed in ${table} (${by})`
  const did = created ? `created ${table}, version ${version}` : `committed version ${version} of ${table}`
  return `${did} (${by}) in ${duration(durationMs)}`
}

function partitionsText({ partitions, status }: Receipt): string {
  const { removed, unchanged } = partitions
  // A table without partitions has one, without a name.
  const replaced = partitions.replaced.filter((folder) => folder !== '')
  const would = status === 'planned' ? 'to be ' : ''
  const parts: string[] = []
  if (replaced.length > 0) parts.push(`${count(replaced.length)} ${would}replaced (${some(replaced)})`)
  if (removed.length > 0) parts.push(`${count(removed.length)} ${would}removed (${some(removed)})`)
  if (unchanged > 0) parts.push(`${count(unchanged)} unchanged`)
  return parts.join(', ')
}

function filesText({ files, bytes: size }: Receipt): string {
  return `${count(files.added)} added (${bytes(size.added)}), ${count(files.removed)} removed (${bytes(size.removed)})`
}

function planText(plan: NonNullable<Receipt['plan']>): string {
  const right = 'right' as const
  const columns = [
    { name: 'partition' },
    { name: 'action' },
    { name: 'rows before', align: right },
    { name: 'rows after', align: right },
    { name: 'files', align: right },
  ]
  const rows = plan.map(({ action, files, partition, rows: { after, before } }) => [
    partition || '(table)',
    action,
    before === undefined ? '' : count(before),
    count(after),
    `+${count(files.added)} -${count(files.removed)}`,
  ])
  return textTable(columns, rows)
}

function some(folders: string[]): string {
  const shown = folders.slice(0, 4).map(printable).join(', ')
  return folders.length > 4 ? `${shown} and ${counted(folders.length - 4, 'other')}` : shown
}

function indent(text: string): string {
  return text.replace(/^/gm, '  ')
}
