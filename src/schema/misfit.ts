/**
 * What SQL says when a value does not fit: `error('lakewright misfit {…}')`, and how it is read back from the message
 * of the engine's error. The one convention between the expressions made here and whoever runs them.
 */
import { quoteText } from './quote.js'

/**
 * SQL that raises the misfit for the row at hand. Only a value that is looked at can raise it: write it as the last
 * branch of a CASE.
 * @param valueSql the value that does not fit, any type; at most 100 characters of it go into the message
 * @param placeSql a struct of further places, e.g. `{file: "__lw_file", row: "__lw_row"}`
 */
export function misfitSql(
  misfit: Pick<Misfit, 'column' | 'type' | 'reason'>,
  valueSql: string,
  placeSql?: string,
): string {
  const place = placeSql === undefined ? '' : `, place: ${placeSql}`
  const members = Object.entries(misfit)
    .filter(([, text]) => text !== undefined)
    .map(([name, text]) => `${quoteText(name)}: ${quoteText(text)}`)
  return `error(${quoteText(marker)} || to_json({${members.join(', ')}, 'value': left(CAST(${valueSql} AS VARCHAR), 100)${place}}))`
}

export interface Misfit {
  /** As the input spells it; empty where the expression was made for no column in particular. */
  column: string
  /** The type it should have fitted, by our name. */
  type: string
  /** Why it does not, where the type alone does not say it: `nanoseconds would be lost`. */
  reason?: string
  value: string
  place?: Record<string, unknown>
}

/** @param message of the engine's error */
export function parseMisfit(message: string): Misfit | undefined {
  const start = message.indexOf(marker)
  if (start === -1) return undefined
  const json = message.slice(start + marker.length, message.lastIndexOf('}') + 1)
  try {
    return JSON.parse(json) as Misfit
  } catch {
    return undefined
  }
}

const marker = 'lakewright misfit '
