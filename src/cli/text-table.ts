/**
 * Rows as an aligned table for people: two spaces between columns, numbers to the right, a rule below the header.
 *
 *   dt           rows
 *   ──────────  ─────
 *   2026-11-20  1,234
 *
 * Promise: nothing from the data reaches the terminal as a control character; it is shown escaped, `\u001b`.
 */

export interface TextColumn {
  name: string
  align?: 'left' | 'right'
}

export function textTable(columns: TextColumn[], rows: string[][], maxWidth?: number): string {
  const layout = layOut(columns, rows, maxWidth)
  return [...header(layout), ...rows.map((row) => line(layout, row))].join('\n')
}

/** Widths found once, so that a long result can be printed as it comes. */
export interface Layout {
  columns: TextColumn[]
  widths: number[]
  /** Cells wider than their column are cut; otherwise they push what follows to the right. */
  cut: boolean
}

export function layOut(columns: TextColumn[], rows: string[][], maxWidth?: number): Layout {
  const widths = columns.map((column, at) => {
    let widest = displayWidth(printable(column.name))
    for (const row of rows) widest = Math.max(widest, displayWidth(printable(row[at] ?? '')))
    return Math.min(widest, maxWidth ?? widest)
  })
  return { columns, widths, cut: maxWidth !== undefined }
}

export function header(layout: Layout): string[] {
  const names = layout.columns.map((column) => column.name)
  return [line(layout, names), layout.widths.map((width) => '─'.repeat(width)).join('  ')]
}

export function line({ columns, cut, widths }: Layout, cells: string[]): string {
  const parts = columns.map((column, at) => {
    const width = widths[at] ?? 0
    const whole = printable(cells[at] ?? '')
    const text = cut ? shorten(whole, width) : whole
    const space = ' '.repeat(Math.max(0, width - displayWidth(text)))
    return column.align === 'right' ? space + text : text + space
  })
  return parts.join('  ').trimEnd()
}

/** Control characters, line breaks and direction marks as escapes. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu, (char) => {
    const short = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }[char]
    return short ?? `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/** Terminal cells a text takes: combining marks none, East Asian wide characters and emoji two. */
export function displayWidth(text: string): number {
  if (/^[\u0020-\u007e]*$/.test(text)) return text.length
  let width = 0
  for (const char of text) width += /[\p{M}\u200b-\u200d]/u.test(char) ? 0 : wide.test(char) ? 2 : 1
  return width
}

const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u

function shorten(text: string, width: number): string {
  if (displayWidth(text) <= width) return text
  let kept = ''
  let used = 1
  for (const char of text) {
    used += displayWidth(char)
    if (used > width) break
    kept += char
  }
  return `${kept}…`
}
