/** What `--help` says of each mode. */
import type { LoadMode } from '../index.js'

export const help: Record<LoadMode, { summary: string; description: string; examples: string[] }> = {
  append: {
    summary: 'add rows',
    description:
      'Adds rows to a table, and creates it where there is none. Readers see all of the rows or none ' +
      'of them. With --load-id, running the same load again adds nothing.',
    examples: [
      'lakewright append ./lake/events --from events.csv --partition-by dt',
      `lakewright append ./lake/events --from 'events/*.ndjson.gz' --load-id events-2026-11-20`,
      'zcat events.csv.gz | lakewright append ./lake/events --from - --format csv --derive "dt=date(created_at)"',
    ],
  },
  replace: {
    summary: 'replace whole partitions',
    description:
      'Replaces whole partitions. Without --scope, each partition that occurs in the input gets ' +
      'exactly the rows of the input. With --scope, the partitions of the scope are emptied first, ' +
      'rows outside it are refused, and an input without rows empties it. Partitions whose content is ' +
      'already the same are left alone.',
    examples: [
      'lakewright replace ./lake/orders --from dumps/2026-11-20.csv --partition-by dt',
      `lakewright replace ./lake/orders --from dumps/late.csv --scope "dt = '2026-11-20'" --dry-run`,
      `lakewright replace s3://lake/orders --from 'dumps/2026-11-*.csv' --scope "dt >= '2026-11-01' and dt < '2026-12-01'"`,
    ],
  },
  overwrite: {
    summary: 'replace the whole content',
    description:
      'Makes the rows of the input the whole content of the table. Schema, partitioning and key stay ' +
      'unless --schema replace is given. The version before stays readable: lakewright query ' +
      "'orders@3' …",
    examples: [
      'lakewright overwrite ./lake/customers --from customers.parquet',
      'lakewright overwrite ./lake/customers --from customers.csv --schema replace --partition-by country',
      `lakewright overwrite ./lake/customers --from 'dumps/customers-*.csv' --delimiter ';' --encoding windows-1252`,
    ],
  },
  merge: {
    summary: 'update and insert rows by key',
    description:
      'Matches the input with the table by key: known keys are updated, new ones inserted, and with ' +
      '--delete-when rows are deleted. Only the files that hold a changed row are written again. ' +
      'Rows that are already what they would become count as unchanged.',
    examples: [
      'lakewright merge ./lake/customers --from changed.csv --key id',
      'lakewright merge ./lake/customers --from changed.csv --delete-when "incoming.is_deleted"',
      'lakewright merge ./lake/customers --from changed.csv --when-matched "incoming.updated_at > current.updated_at"',
    ],
  },
  sync: {
    summary: 'make the table equal to a full snapshot, by key',
    description:
      'Takes a full dump of a source, which needs no timestamps, finds out what was inserted, updated ' +
      'and deleted since, and applies just that. A dump that would delete more than half of the rows ' +
      'is held back (exit 5): see lakewright loads, approve and discard.',
    examples: [
      'lakewright sync ./lake/customers --from dumps/2026-11-20.csv.gz --key id',
      `lakewright sync ./lake/orders --from dumps/november.csv --scope "month = '2026-11'"`,
      'lakewright sync ./lake/customers --from dump.csv --max-delete-ratio 0.1 --min-rows 1000',
    ],
  },
  scd2: {
    summary: 'keep the history of every row, by key',
    description:
      'Takes a snapshot and keeps every version of a row with the time it held: _effective_from, ' +
      '_effective_to (null while it holds) and _is_current. A changed row opens a new version and ' +
      'closes the one before, a key that the snapshot lacks is closed.',
    examples: [
      'lakewright scd2 ./lake/customer_history --from dumps/2026-11-20.csv --key id --effective-at 2026-11-20',
      'lakewright scd2 ./lake/customer_history --from changed.csv --snapshot partial --track city,segment',
      'lakewright scd2 ./lake/customer_history --from changes.csv --effective-at column:valid_from',
    ],
  },
  cdc: {
    summary: 'apply change events in their order',
    description:
      'Applies change events by key: of several the newest wins, an older one never overwrites a newer ' +
      'one, also across loads, and what was deleted stays deleted. Takes events with an operation and ' +
      'an order column, and those of Debezium.',
    examples: [
      'lakewright cdc ./lake/orders --from events.ndjson --key id --op-column op --order-column lsn',
      `lakewright cdc ./lake/orders --from 'events/*.json' --format debezium --key id`,
      'lakewright cdc ./lake/orders --from stream.csv --op-column "METADATA$ACTION" --order-column updated_at',
    ],
  },
  delete: {
    summary: 'delete rows',
    description:
      'Deletes the rows for which --where is true, by any columns. Files of which all rows go are not ' +
      'read, files without such a row are not touched. The version before stays readable.',
    examples: [
      'lakewright delete ./lake/customers --where "id = 42"',
      `lakewright delete ./lake/orders --where "dt < '2020-01-01' or status in ('test', 'draft')" --dry-run`,
    ],
  },
}
