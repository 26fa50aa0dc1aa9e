/**
 * The handle that users hold. Its methods delegate: each verb is a file of its own, loaded when it is first used.
 */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { HeldSummary } from './held.js'
import type { CommitSummary } from './maintain/history.js'
import type { VerifyOptions, VerifyReport } from './maintain/verify.js'
import type { DdlDialect, DdlOptions } from './publish/ddl.js'
import { type ChangesOptions, type ChangesResult, changes } from './read/changes.js'
import { FileCache } from './read/fetch.js'
import { type QueryOptions, type QueryResult, query } from './read/query.js'
import type { Reading } from './read/reading.js'
import { RowHashFiles } from './read/row-hashes.js'
import type { FileSummary, PartitionSummary, TableSummary } from './read/show.js'
import type { At } from './read/version.js'
import type { LoadMode, Receipt } from './receipt.js'
import { type Runtime, systemRuntime } from './runtime.js'
import { type LoadSettings, parseLoadSettings, parseTableSettings, type TableSettings } from './settings.js'
import type { LoadInput } from './source/open.js'
import { shortHash } from './store/keys.js'
import { openStore } from './store/open.js'
import type { Store } from './store/port.js'

/**
 * Open a table, which need not exist yet: the first load makes it.
 *
 * @param url `s3://bucket/prefix`, `file:///path` or a path
 * @throws LakeError invalid: a setting or an address that cannot be; unavailable: the store does not answer
 */
export async function openTable(url: string, settings: TableSettings = {}): Promise<Table> {
  const parsed = parseTableSettings(settings)
  const runtime: Runtime = { ...systemRuntime, ...parsed.components?.runtime }
  const store = parsed.components?.store ?? (await openStore(url, parsed.store, runtime))
  return new Table(store, parsed, runtime)
}

export class Table implements AsyncDisposable {
  /** As users write it, without a trailing slash. */
  readonly url: string
  /** What queries fetched; data files never change, so it is good for as long as the handle is. */
  private readonly cache: FileCache
  private readonly rowHashes: RowHashFiles

  /** @internal `openTable` makes tables. */
  constructor(
    private readonly store: Store,
    private readonly settings: TableSettings,
    private readonly runtime: Runtime,
  ) {
    this.url = store.url
    const folder = join(settings.tempFolder ?? tmpdir(), `lakewright-cache-${runtime.uuid()}`)
    this.cache = new FileCache(store, folder)
    const kept = settings.cacheFolder
    this.rowHashes = new RowHashFiles(
      store,
      this.cache,
      kept === undefined ? join(folder, 'row-hashes') : join(kept, shortHash(store.url)),
    )
  }

  /** New rows beside the old ones; the same load id twice adds once. */
  append(input: LoadInput | LoadInput[], settings: LoadSettings = {}): Promise<Receipt> {
    return this.load('append', input, settings)
  }

  /** Each partition that occurs in the input is replaced; with a `scope` that part of the table becomes exactly the input. */
  replace(input: LoadInput | LoadInput[], settings: LoadSettings = {}): Promise<Receipt> {
    return this.load('replace', input, settings)
  }

  /** The table becomes exactly these rows; the version before stays readable. */
  overwrite(input: LoadInput | LoadInput[], settings: LoadSettings = {}): Promise<Receipt> {
    return this.load('overwrite', input, settings)
  }

  /** Rows by key: known ones are updated, or deleted where `deleteWhen` says so; new ones are inserted. */
  merge(input: LoadInput | LoadInput[], settings: LoadSettings = {}): Promise<Receipt> {
    return this.load('merge', input, settings)
  }

  /** A full snapshot by key: the table, or the part of it that `scope` names, becomes equal to it. */
  sync(input: LoadInput | LoadInput[], settings: LoadSettings = {}): Promise<Receipt> {
    return this.load('sync', input, settings)
  }

  /** A snapshot by key, as history: a changed row opens a new version and closes the one before. */
  scd2(input: LoadInput | LoadInput[], settings: LoadSettings = {}): Promise<Receipt> {
    return this.load('scd2', input, settings)
  }

  /** Change events by key and order: the newest of a key wins, older ones are ignored, deletes are honoured. */
  cdc(input: LoadInput | LoadInput[], settings: LoadSettings = {}): Promise<Receipt> {
    return this.load('cdc', input, settings)
  }

  /** Rows for which `where` is true go. */
  delete(settings: LoadSettings & { where: string }): Promise<Receipt> {
    return this.load('delete', [], settings)
  }

  /** SQL over the table, which is the view `t`, at its newest or a named version. */
  query(sql: string, options: QueryOptions = {}): QueryResult {
    return query(this.reading(), sql, options)
  }

  /** What commits did to the rows, in order; with `net` one change per key for all of them together. */
  changes(options: ChangesOptions): ChangesResult {
    return changes(this.reading(), options)
  }

  /** Columns, partitioning, key and totals. Reads the manifest only. */
  async snapshot(at: At = {}): Promise<TableSummary> {
    const { showTable } = await import('./read/show.js')
    return showTable(this.reading(), at)
  }

  async partitions(at: At = {}): Promise<PartitionSummary[]> {
    const { showPartitions } = await import('./read/show.js')
    return showPartitions(this.reading(), at)
  }

  async files(at: At = {}): Promise<FileSummary[]> {
    const { showFiles } = await import('./read/show.js')
    return showFiles(this.reading(), at)
  }

  /** Newest first. */
  async history(options: { limit?: number } = {}): Promise<CommitSummary[]> {
    const { history } = await import('./maintain/history.js')
    return history(this.reading(), options)
  }

  /** Loads that a guard held back, and what they would do. Oldest first. */
  async loads(): Promise<HeldSummary[]> {
    const { loads } = await import('./held.js')
    return loads(this.reading())
  }

  /** Commit a load that was held back, if what it looked at has not changed since. */
  async approve(loadId: string): Promise<Receipt> {
    const { approve } = await import('./held.js')
    return approve(this.reading(), loadId)
  }

  /** Remove a load that was held back. */
  async discard(loadId: string): Promise<{ status: 'discarded'; loadId: string }> {
    const { discard } = await import('./held.js')
    return discard(this.reading(), loadId)
  }

  /** Is every referenced file there and what the manifest says? `deep` reads the rows too. */
  async verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    const { verify } = await import('./maintain/verify.js')
    return verify(this.reading(), options)
  }

  /** Change settings that the table remembers; see `docs/modes.md`. */
  async set(settings: Record<string, string>): Promise<{ version: number; settings: Record<string, string> }> {
    const { set } = await import('./maintain/set.js')
    return set(this.reading(), settings)
  }

  /** The statement that makes this table known to another engine. */
  async ddl(dialect: DdlDialect, options: DdlOptions & At = {}): Promise<string> {
    const { ddl } = await import('./publish/ddl.js')
    return ddl(this.reading(), dialect, options)
  }

  async close(): Promise<void> {
    await this.cache.close()
    await this.store.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  private async load(mode: LoadMode, input: LoadInput | LoadInput[], settings: LoadSettings): Promise<Receipt> {
    const parsed = parseLoadSettings(mode, settings)
    const { runLoad } = await import('./load.js')
    const signal = parsed.signal ?? this.settings.signal
    return runLoad(
      {
        store: this.store,
        runtime: this.runtime,
        table: this.settings,
        settings: parsed,
        mode,
        signal,
        cache: this.cache,
        rowHashes: this.rowHashes,
      },
      input,
    )
  }

  private reading(): Reading {
    return { store: this.store, runtime: this.runtime, settings: this.settings, cache: this.cache }
  }
}
