/**
 * Old files without the rows that go and with those that come: file by file in the way that costs less, from its own bytes
 * (`patch.ts`) or encoded anew.
 */
import { filesRelation } from '../engine/relation.js'
import { quoteIdent, quoteText } from '../engine/sql.js'
import { planPatches } from './patch/choose.js'
import { type LocalFile, type Patch, patchFiles, type Rewrite } from './patch.js'
import type { StagedFile } from './port.js'
import { type StagingContext, stageRows } from './stage.js'

/** @param sql all of it, encoded anew */
export async function stageRewrite(sql: string, rewrite: Rewrite, ctx: StagingContext): Promise<StagedFile[]> {
  const patches = await planPatches(rewrite, ctx)
  if (patches.length === 0) return await stageRows(sql, ctx)
  const patched = new Set(patches.map(({ old }) => old.key))
  const rest = rewrite.files.filter(({ key }) => !patched.has(key))
  const parts = [...restSql(rest, rewrite, ctx), ...(await addedSql(patches, rewrite, ctx))]
  const staged = parts.length > 0 ? await stageRows(parts.join(' UNION ALL '), ctx) : []
  return await patchFiles(patches, staged, rewrite, ctx)
}

function restSql(files: readonly LocalFile[], { removed }: Rewrite, ctx: StagingContext): string[] {
  if (files.length === 0) return []
  const { schema, partitionBy } = ctx
  const kept = filesRelation({ files, schema, partitionBy, provenance: true })
  return [`SELECT ${columnsOf(ctx)} FROM (${kept}) ANTI JOIN ${quoteIdent(removed)} USING (__lw_file, __lw_row)`]
}

/** Rows that take nobody's place in a patched file. */
async function addedSql(patches: readonly Patch[], { added }: Rewrite, ctx: StagingContext): Promise<string[]> {
  if (added === undefined) return []
  const patched = patches.map(({ old }) => quoteText(old.key)).join(', ')
  const rows = `FROM ${quoteIdent(added)} WHERE __lw_file IS NULL OR __lw_file NOT IN (${patched})`
  const [counted] = await ctx.engine.rows(`SELECT count(*) AS n ${rows}`, { signal: ctx.signal })
  return Number(counted?.n ?? 0) > 0 ? [`SELECT ${columnsOf(ctx)} ${rows}`] : []
}

function columnsOf({ schema }: StagingContext): string {
  return schema.map(({ name }) => quoteIdent(name)).join(', ')
}
