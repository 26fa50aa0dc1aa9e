/**
 * Keys and row hashes of data files. On a store that is not on this machine they are also kept beside each data file, so
 * that comparing a snapshot with the table fetches these and not the rows:
 *
 *   dt=2026-11-20/<txn>-00000.parquet
 *   _row_hashes/<algorithm and columns>/<txn>-00000.<file>.hashes   key columns, __lw_h1, __lw_h2, __lw_file, __lw_row
 *
 * They are derived: one that is missing, or was made in another way and so has another name, is computed from its data
 * file and written again. No `.parquet` at the end, so that no directory reader takes them for data.
 */
import { access, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import pLimit from 'p-limit'
import type { Engine } from '../engine/port.js'
import { filesRelation, type RelationFile } from '../engine/relation.js'
import { quoteGlobFree, quotePath } from '../engine/sql.js'
import type { AddFile } from '../manifest/actions.js'
import { quoteIdentifier } from '../schema/quote.js'
import type { Schema } from '../schema/types.js'
import type { RowHashes } from '../stage/port.js'
import { rowHashSql } from '../stage/row-hash.js'
import { rowHashesKey } from '../store/keys.js'
import type { CallOptions, Store } from '../store/port.js'
import type { FileCache } from './fetch.js'

export interface RowHashContext {
  engine: Engine
  schema: Schema
  partitionBy: readonly string[]
  options: CallOptions
  log(level: 'debug' | 'warn', message: string): void
}

export class RowHashFiles {
  private readonly limit = pLimit(filesAtOnce)

  /** @param folder for copies of what the store keeps; they never change, so they may outlive the process */
  constructor(
    private readonly store: Store,
    private readonly cache: FileCache,
    private readonly folder: string,
  ) {}

  /** @returns a SELECT of the key columns, `__lw_h1`, `__lw_h2`, `__lw_file`, `__lw_row` */
  async select(files: readonly AddFile[], hashes: RowHashes, ctx: RowHashContext): Promise<string> {
    if (files.every(({ key }) => this.store.localPath(key) !== undefined)) return await this.compute(files, hashes, ctx)
    const kept = await Promise.all(files.map((file) => this.limit(() => this.fetchKept(file, hashes, ctx))))
    const paths = kept.filter((path) => path !== undefined)
    const missing = files.filter((_, i) => kept[i] === undefined)
    if (missing.length > 0) {
      const local = await this.cache.local(missing, { columns: columnsOf(hashes), ...ctx.options })
      paths.push(...(await this.write(local, hashes, ctx)))
    }
    const columns = [...hashes.key.map(quoteIdentifier), ...hashColumns].join(', ')
    return `SELECT ${columns} FROM read_parquet([${paths.map(quoteGlobFree).join(', ')}], hive_partitioning = false)`
  }

  /** Keep what belongs to new data files, which still lie on this machine. */
  async keep(files: readonly RelationFile[], hashes: RowHashes, ctx: RowHashContext): Promise<void> {
    const remote = files.filter(({ key }) => this.store.localPath(key) === undefined)
    await this.write(remote, hashes, ctx)
  }

  /** Let go the copies of files that the table no longer has. */
  async forgetAllBut(keys: Iterable<string>, hashes: RowHashes): Promise<void> {
    const names = new Set([...keys].map((key) => basename(this.pathOf(key, hashes))))
    const folder = dirname(this.pathOf('any', hashes))
    const there = await readdir(folder).catch(() => [])
    await Promise.all(there.filter((name) => !names.has(name)).map((name) => rm(join(folder, name), { force: true })))
  }

  private async compute(files: readonly AddFile[], hashes: RowHashes, ctx: RowHashContext): Promise<string> {
    const local = await this.cache.local(files, { columns: columnsOf(hashes), ...ctx.options })
    return hashedSelect(local, hashes, ctx)
  }

  private async fetchKept(file: AddFile, hashes: RowHashes, { options }: RowHashContext): Promise<string | undefined> {
    const path = this.pathOf(file.key, hashes)
    if (await exists(path)) return path
    const key = rowHashesKey(hashes.of, file.key)
    if ((await this.store.head(key, options)) === undefined) return undefined
    await mkdir(dirname(path), { recursive: true })
    await this.store.fetch(key, path, options)
    return path
  }

  /** One after the other: each is a scan by all of the engine's threads. */
  private async write(files: readonly RelationFile[], hashes: RowHashes, ctx: RowHashContext): Promise<string[]> {
    const paths: string[] = []
    for (const file of files) {
      const path = this.pathOf(file.key, hashes)
      const partial = `${path}.part`
      await mkdir(dirname(path), { recursive: true })
      const select = hashedSelect([file], hashes, ctx)
      await ctx.engine.run(`COPY (${select}) TO ${quotePath(partial)} (FORMAT parquet, COMPRESSION zstd)`, ctx.options)
      await rename(partial, path)
      paths.push(path)
      await this.upload(rowHashesKey(hashes.of, file.key), path, ctx)
    }
    return paths
  }

  /** It only saves work later, so failing to is no failure of the load. */
  private async upload(key: string, path: string, { options, log }: RowHashContext): Promise<void> {
    try {
      await this.store.putDerived(key, await readFile(path), options)
    } catch (error) {
      options.signal?.throwIfAborted()
      log('warn', `could not keep row hashes: ${error instanceof Error ? error.message : String(error)}`)
    }
  }

  private pathOf(key: string, hashes: RowHashes): string {
    const kept = rowHashesKey(hashes.of, key)
    return join(this.folder, ...kept.split('/').slice(1))
  }
}

const hashColumns = ['__lw_h1', '__lw_h2', '__lw_file', '__lw_row']
const filesAtOnce = 8

function hashedSelect(
  files: readonly RelationFile[],
  hashes: RowHashes,
  { schema, partitionBy }: RowHashContext,
): string {
  const { h1, h2 } = rowHashSql(hashes.columns)
  const key = hashes.key.map(quoteIdentifier).join(', ')
  const rows = filesRelation({ files, schema, partitionBy, provenance: true })
  return `SELECT ${key}, ${h1} AS __lw_h1, ${h2} AS __lw_h2, __lw_file, __lw_row FROM (${rows})`
}

function columnsOf({ key, columns }: RowHashes): string[] {
  return [...key, ...columns.map(({ name }) => name)]
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  )
}
