/**
 * Which tables we read and which we write. Judged by use where the protocol allows it: a feature that is listed but not used by
 * the table asks nothing of us.
 *
 *   feature                             read                          write
 *   (reader 1, writer 1 and 2)          yes                           yes
 *   appendOnly                          yes                           `delta.appendOnly=true`: append and compact only
 *   invariants, checkConstraints        yes                           unless a column or property has one: we do not check them
 *   generatedColumns, identityColumns,  yes                           unless a column is one: we do not fill them
 *   allowColumnDefaults
 *   changeDataFeed                      yes                           yes: without `cdc` actions readers derive the changes from add
 *                                                                     and remove ("Change Data Files"), which is exact for whole files
 *                                                                     and partitions; what rewrites single rows writes `cdc` files
 *   columnMapping (reader 2)            unless a mode is set          the same
 *   deletionVectors                     unless a file has one         the same
 *   timestampNtz, variantType           unless a column has the type  the same (the schema's parser refuses it)
 *   typeWidening                        unless a column was widened   the same
 *   v2Checkpoint                        yes                           yes; checkpoints are left to others
 *   vacuumProtocolCheck                 yes                           yes
 *   inCommitTimestamp                   yes                           unless it is enabled
 *   icebergCompatV1, icebergCompatV2    yes                           unless it is enabled
 *   domainMetadata, rowTracking,        yes                           no: they must be carried on or assigned at every commit
 *   clustering, anything else           reader features: no           no
 */
import { LakeError } from '../errors.js'
import type { Field } from '../schema/types.js'
import type { Metadata, Snapshot } from './actions.js'

/** @throws LakeError `unsupported`, naming the features */
export function assertReadable(snapshot: ProtocolUse): void {
  refuse('read', readerProblems(snapshot), snapshot.version)
}

/**
 * @param mode what is about to be written, for append-only tables
 * @throws LakeError `unsupported`, naming the features; `invalid` for rows to be changed in an append-only table
 */
export function assertWritable(snapshot: ProtocolUse, mode: string): void {
  refuse('write', [...new Set([...readerProblems(snapshot), ...writerProblems(snapshot)])], snapshot.version)
  if (snapshot.metadata.configuration['delta.appendOnly'] === 'true' && !keepsRows.has(mode))
    throw new LakeError('invalid', `the table only takes appends (delta.appendOnly), not \`${mode}\``, {
      fix: 'Set delta.appendOnly=false if rows of this table may change.',
    })
}

type ProtocolUse = Pick<Snapshot, 'version' | 'protocol' | 'metadata' | 'files'>

const keepsRows = new Set(['append', 'compact', 'set', 'vacuum'])

function readerProblems({ protocol, metadata, files }: ProtocolUse): string[] {
  if (protocol.minReaderVersion > 3) return [`reader version ${protocol.minReaderVersion}`]
  const problems = used(metadata, ['columnMapping', 'typeWidening'])
  for (const file of files.values()) {
    if (file.deletionVector === undefined) continue
    problems.push('deletionVectors')
    break
  }
  const unknown = (protocol.readerFeatures ?? []).filter((feature) => !readable.has(feature))
  return [...new Set([...problems, ...unknown])]
}

function writerProblems({ protocol, metadata }: ProtocolUse): string[] {
  if (protocol.minWriterVersion > 7) return [`writer version ${protocol.minWriterVersion}`]
  const unknown = (protocol.writerFeatures ?? []).filter((feature) => !writable.has(feature))
  return [...used(metadata, Object.keys(uses)), ...unknown]
}

/** Features that ask something of us only where `uses` finds them used. */
const readable = new Set([
  'columnMapping',
  'deletionVectors',
  'timestampNtz',
  'typeWidening',
  'typeWidening-preview',
  'v2Checkpoint',
  'vacuumProtocolCheck',
  'variantType',
  'variantType-preview',
])
const writable = new Set([
  ...readable,
  'appendOnly',
  'invariants',
  'checkConstraints',
  'changeDataFeed',
  'generatedColumns',
  'identityColumns',
  'allowColumnDefaults',
  'inCommitTimestamp',
  'icebergCompatV1',
  'icebergCompatV2',
])

/** Whether the table's metadata shows the feature in use, whatever its protocol lists. */
const uses: Record<string, (metadata: Metadata) => boolean> = {
  columnMapping: ({ configuration }) => (configuration['delta.columnMapping.mode'] ?? 'none') !== 'none',
  typeWidening: hasField('delta.typeChanges'),
  invariants: hasField('delta.invariants'),
  checkConstraints: ({ configuration }) =>
    Object.keys(configuration).some((property) => property.startsWith('delta.constraints.')),
  generatedColumns: hasField('delta.generationExpression'),
  identityColumns: hasField('delta.identity.start'),
  allowColumnDefaults: hasField('CURRENT_DEFAULT'),
  inCommitTimestamp: isOn('delta.enableInCommitTimestamps'),
  icebergCompatV1: isOn('delta.enableIcebergCompatV1'),
  icebergCompatV2: isOn('delta.enableIcebergCompatV2'),
  rowTracking: isOn('delta.enableRowTracking'),
}

function used(metadata: Metadata, features: string[]): string[] {
  return features.filter((feature) => uses[feature]?.(metadata))
}

function isOn(property: string): (metadata: Metadata) => boolean {
  return ({ configuration }) => configuration[property] === 'true'
}

function hasField(name: string): (metadata: Metadata) => boolean {
  return ({ schema }) => anyField(schema, (field) => field.metadata?.[name] !== undefined)
}

/** Fields at any depth of structs; inside lists and maps Delta allows none of these. */
function anyField(fields: Field[], test: (field: Field) => boolean): boolean {
  return fields.some((field) => test(field) || (field.type.kind === 'struct' && anyField(field.type.fields, test)))
}

function refuse(verb: 'read' | 'write', features: string[], version: number): void {
  if (features.length === 0) return
  throw new LakeError('unsupported', `lakewright does not ${verb} tables that use ${features.join(', ')}`, {
    version,
    fix:
      verb === 'read'
        ? 'Read this table with the tool that wrote it, or drop these features from it.'
        : 'Write this table with the tool that made it, or drop these features from it. Reading may still work.',
  })
}
