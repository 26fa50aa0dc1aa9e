/**
 * Answers what a plan asks. Answers about the input alone are remembered, so that planning again on another base does
 * not stage the rows again.
 */

import { filesRelation, type RelationFile } from '../engine/relation.js'
import type { AddFile } from '../manifest/actions.js'
import { findColumn } from '../schema/names.js'
import { quoteIdentifier } from '../schema/quote.js'
import type { Answer, Ask, Reads, StagedFile } from './port.js'
import { type StagingContext, stageRows } from './stage.js'

export interface ExecutorContext extends StagingContext {
  /** The files on this machine, fetched where they are not. */
  localFiles(files: AddFile[], columns: string[]): Promise<RelationFile[]>
}

export interface Executor {
  answer(ask: Ask): Promise<Answer>
  /** What was staged of the input alone: the load's own content, without old rows that it rewrites. */
  readonly stagedInput: readonly StagedFile[]
}

export function createExecutor(ctx: ExecutorContext): Executor {
  const remembered = new Map<string, Answer>()
  const stagedInput: StagedFile[] = []

  async function answer(ask: Ask): Promise<Answer> {
    const name = `${ask.ask}\u0000${ask.sql}`
    const known = ask.reads === undefined ? remembered.get(name) : undefined
    if (known) return known
    for (const reads of ask.reads ?? []) await defineReads(ctx, reads)
    const found = await run(ask)
    if (ask.reads === undefined) remembered.set(name, found)
    return found
  }

  async function run(ask: Ask): Promise<Answer> {
    const options = { signal: ctx.signal }
    switch (ask.ask) {
      case 'rows':
        return { ask: 'rows', rows: await ctx.engine.rows(ask.sql, options) }
      case 'relation': {
        const name = quoteIdentifier(ask.name)
        await ctx.engine.run(`CREATE OR REPLACE TEMP TABLE ${name} AS ${ask.sql}`, options)
        const [row] = await ctx.engine.rows(`SELECT count(*) AS n FROM ${name}`, options)
        return { ask: 'relation', rows: Number(row?.n ?? 0) }
      }
      case 'stage': {
        const files = await stageRows(ask.sql, { ...ctx, replayable: ctx.replayable || ask.reads !== undefined })
        if (ask.reads === undefined) stagedInput.push(...files)
        return { ask: 'stage', files }
      }
    }
  }

  return { answer, stagedInput }
}

async function defineReads(ctx: ExecutorContext, { alias, files, columns }: Reads): Promise<void> {
  const local = await ctx.localFiles(files, columns)
  // The engine numbers rows in a column of this name; a table that has one goes without.
  const provenance = findColumn(ctx.schema, 'file_row_number') === undefined ? true : 'file'
  const select = filesRelation({ files: local, schema: ctx.schema, partitionBy: ctx.partitionBy, provenance })
  await ctx.engine.run(`CREATE OR REPLACE TEMP VIEW ${quoteIdentifier(alias)} AS ${select}`)
}
