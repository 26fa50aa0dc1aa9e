/**
 * One JSON document of a change stream, seen through: what happened, when, and where in the bytes the row stands.
 *
 *   {"before":…,"after":…,"source":{…},"op":"u","ts_ms":…}        an event
 *   {"schema":{…},"payload":…}                                    the same with its Connect schema
 *   {"id":1,…,"__deleted":"false","__op":"u","__source_lsn":7}    unwrapped: the row with metadata beside it
 *   {"id":1,…}                                                    unwrapped without metadata: the row is so now
 *   {"key":…,"value":…}, {"topic":…,"key":"…","payload":"…"}      a Kafka record, as consumers print it: its value
 *   null, {"key":…,"value":null}, {"schema":null,"payload":null}  a tombstone: ignored, the delete came before it
 *   heartbeats, transactions, schema changes, messages (op m)     ignored
 */
import { JsonProblem, JsonScanner } from '../json-scan.js'
import { type Lookup, type Order, orderOf } from './order.js'

export type Event =
  | { kind: 'ignored'; isTombstone: boolean }
  | { kind: 'truncate'; order: Order | undefined; schema: SchemaAt | undefined }
  | {
      kind: 'row'
      op: 'u' | 'd'
      order: Order | undefined
      row: Span
      schema: SchemaAt | undefined
      /** Metadata stands among the row's own members; whether it says which rows are deleted. */
      flat?: { isMarked: boolean }
    }

/** One JSON value. */
export interface Span {
  bytes: Buffer
  start: number
  end: number
}

/** A Connect schema that was met, and which part of it is the row's. */
export interface SchemaAt {
  /** Of the reader's `schemas`. */
  index: number
  of: 'envelope' | 'row'
}

/** Members that unwrapping adds by its usual settings; columns of the row have other names. */
export function isMetadata(name: string): boolean {
  return name.startsWith('__') && (metadataNames.has(name.slice(2)) || name.startsWith('__source_'))
}

export class EventReader extends JsonScanner {
  /** Texts of the Connect schemas that were met; most events repeat the one before, byte for byte. */
  readonly schemas: Buffer[] = []
  /** The names of the last object of each kind. */
  private readonly orders = new Map<string, Name[]>()

  /** @throws JsonProblem */
  read(bytes: Buffer, start: number, end: number): Event {
    const record = withoutTransport(this.scan(bytes, start, end), (text) => this.scan(text, 0, text.length))
    const [payload, schema] = withoutSchema(record.value)
    if (payload.kind === 'null') return tombstone
    if (payload.members === undefined) throw new JsonProblem('the line is no event')
    if (isEnvelope(payload.members)) return this.enveloped(payload.members, schema, record.key)
    if (isMessage(payload.members)) return ignored
    return unwrapped(payload, this.schemaAt(schema, 'row'))
  }

  private enveloped(members: Members, schema: Node | undefined, key: Node | undefined): Event {
    const op = textOf(members.get('op')) ?? ''
    if (op === 'm') return ignored
    const { members: source } = members.get('source') ?? {}
    const order = orderOf(lookup(source), lookup(members))
    const at = this.schemaAt(schema, 'envelope')
    if (op === 't') return { kind: 'truncate', order, schema: at }
    if (op === 'c' || op === 'r' || op === 'u') {
      const after = members.get('after')
      if (after?.kind === 'object') return { kind: 'row', op: 'u', order, row: after, schema: at }
      throw new JsonProblem(...noRow(after, op))
    }
    if (op !== 'd') throw new JsonProblem(`the operation \`${op.slice(0, 20)}\` is none of c, r, u, d, t, m`)
    const before = members.get('before')
    if (before?.kind === 'object') return { kind: 'row', op: 'd', order, row: before, schema: at }
    const [keyRow, keySchema] = key === undefined ? [] : withoutSchema(key)
    if (keyRow?.kind === 'object')
      return { kind: 'row', op: 'd', order, row: keyRow, schema: this.schemaAt(keySchema, 'row') }
    throw new JsonProblem(
      'a delete does not say which row: its `before` is null, and no key stands beside it',
      'Give the table a replica identity, or pass the records with their keys: {"key":…,"value":…}.',
    )
  }

  /** The value with the members that are looked into; everything in it is proved to be JSON. */
  private scan(bytes: Buffer, start: number, end: number): Node {
    this.begin(bytes, start, end)
    const node = this.node('')
    this.space()
    if (this.at !== this.end) throw new JsonProblem('something follows the object')
    return node
  }

  private node(name: string): Node {
    const { bytes, at: start } = this
    const c = this.peek()
    if (name === 'schema' && c === 0x7b && this.passKnown()) return { bytes, start, end: this.at, kind: 'object' }
    if (c === 0x7b && (name === '' || opened.has(name))) {
      const members = this.members(name)
      return { bytes, start, end: this.at, kind: 'object', members }
    }
    this.skip()
    const kind = c === 0x7b ? 'object' : c === 0x22 ? 'text' : c === 0x6e ? 'null' : 'other'
    return { bytes, start, end: this.at, kind }
  }

  private members(of: string): Members {
    const members: Members = new Map()
    this.at++
    this.space()
    if (this.peek() === 0x7d) {
      this.at++
      return members
    }
    const order = this.orderOf(of)
    let index = 0
    do {
      const name = this.nameIn(order, index++)
      if (members.has(name)) throw new JsonProblem(`the name \`${name}\` is repeated`)
      members.set(name, this.node(name))
    } while (this.follows(0x7d, '`,` or `}`'))
    return members
  }

  private orderOf(of: string): Name[] {
    const known = this.orders.get(of)
    if (known !== undefined) return known
    const order: Name[] = []
    this.orders.set(of, order)
    return order
  }

  /** Past a name. Objects mostly have the names of the one before, in its order: these need not be decoded. */
  private nameIn(order: Name[], index: number): string {
    const guess = order[index]
    if (guess !== undefined && this.passes(guess.bytes)) return guess.text
    const [start, end] = this.name()
    const text = decoded(this.bytes, start, end)
    order[index] = { bytes: Buffer.from(this.bytes.subarray(start, end)), text }
    return text
  }

  /** Past the name, if it is this one. */
  private passes(name: Buffer): boolean {
    const { bytes, at } = this
    const { length } = name
    if (at + length > this.end) return false
    for (let i = 0; i < length; i++) if (bytes[at + i] !== name[i]) return false
    this.at = at + length
    this.space()
    this.expect(0x3a, '`:`')
    return true
  }

  /** Past a schema that was met before. */
  private passKnown(): boolean {
    const { bytes, at, end } = this
    const known = this.schemas.find((schema) => isAt(schema, bytes, at, end))
    this.at += known?.length ?? 0
    return known !== undefined
  }

  private schemaAt(schema: Node | undefined, of: SchemaAt['of']): SchemaAt | undefined {
    if (schema === undefined) return undefined
    const { bytes, start, end } = schema
    const index = this.schemas.findIndex((known) => known.length === end - start && isAt(known, bytes, start, end))
    return { index: index >= 0 ? index : this.schemas.push(Buffer.from(bytes.subarray(start, end))) - 1, of }
  }
}

function isAt(text: Buffer, bytes: Buffer, start: number, end: number): boolean {
  const last = start + text.length
  return last <= end && bytes.compare(text, 0, text.length, start, last) === 0
}

interface Node extends Span {
  kind: 'object' | 'text' | 'null' | 'other'
  /** Of objects that are looked into. */
  members?: Members
}
type Members = Map<string, Node>

interface Name {
  /** As it stands in the text, quotes included. */
  bytes: Buffer
  text: string
}

const ignored: Event = { kind: 'ignored', isTombstone: false }
const tombstone: Event = { kind: 'ignored', isTombstone: true }

/** Members whose own members are looked at. */
const opened = new Set(['payload', 'value', 'key', 'source'])

const metadataNames = new Set(
  (
    'deleted op table lsn ts_ms ts_us ts_ns db schema connector name version snapshot sequence txId xmin file pos row gtid ' +
    'server_id thread query scn commit_scn change_lsn commit_lsn event_serial_no ord collection'
  ).split(' '),
)

/** Names of a record's own members, as kcat and the consumers of Kafka and of Debezium Server print them. */
const transportNames = new Set(
  (
    'key value payload topic partition offset timestamp timestampType timestamp_type tstype ts headers broker ' +
    'key_schema_id value_schema_id keySchemaId valueSchemaId'
  ).split(' '),
)

function withoutTransport(node: Node, scan: (text: Buffer) => Node): { value: Node; key?: Node } {
  const { members } = node
  const value = members?.get('value') ?? members?.get('payload')
  if (members === undefined || value === undefined) return { value: node }
  if (![...members.keys()].every((name) => transportNames.has(name))) return { value: node }
  const within = embedded(value, scan)
  const key = members.get('key')
  const keyWithin = key === undefined ? undefined : embedded(key, scan)
  const isFromTopic = ['topic', 'partition', 'offset'].filter((name) => members.has(name)).length > 1
  if (isFromTopic && within === undefined) throw new JsonProblem('the value of the record is no JSON object')
  const hasKeyRow = keyWithin?.kind === 'object' && members.has('value')
  const isEvent = key !== undefined && within?.members !== undefined && isWrapped(within.members)
  if ((!isFromTopic && !hasKeyRow && !isEvent) || within === undefined) return { value: node }
  return { value: within, ...(keyWithin?.kind === 'object' ? { key: keyWithin } : {}) }
}

/** The value that a text may hold as JSON; the value itself where it is none. Undefined for text that holds none. */
function embedded(node: Node, scan: (text: Buffer) => Node): Node | undefined {
  if (node.kind !== 'text') return node.kind === 'other' ? undefined : node
  const text = decoded(node.bytes, node.start, node.end).trim()
  return text.startsWith('{') || text === 'null' ? scan(Buffer.from(text)) : undefined
}

function isWrapped(members: Members): boolean {
  return isEnvelope(members) || members.has('payload')
}

function withoutSchema(node: Node): [Node, Node | undefined] {
  const payload = node.members?.get('payload')
  const schema = node.members?.get('schema')
  const others = (node.members?.size ?? 0) - (payload ? 1 : 0) - (schema ? 1 : 0)
  if (payload === undefined || others > 0 || (schema === undefined && payload.kind === 'text')) return [node, undefined]
  return [payload, schema?.kind === 'object' ? schema : undefined]
}

function isEnvelope(members: Members): boolean {
  if (members.get('op')?.kind !== 'text') return false
  const isRow = (name: string) => ['object', 'null'].includes(members.get(name)?.kind ?? '')
  return members.get('source')?.kind === 'object' || isRow('after') || isRow('before')
}

/** What connectors say about themselves. */
function isMessage(members: Members): boolean {
  const names = [...members.keys()]
  if (names.length > 0 && names.every((name) => /^ts_(ms|us|ns)$/.test(name))) return true
  const isTransaction = /^(BEGIN|END)$/.test(textOf(members.get('status')) ?? '') && members.has('event_count')
  const isSchemaChange = members.has('databaseName') && (members.has('ddl') || members.has('tableChanges'))
  return isTransaction || isSchemaChange
}

function unwrapped(payload: Node, schema: SchemaAt | undefined): Event {
  const members = payload.members as Members
  const metadata = lookup(members)
  const ofSource: Lookup = (name) =>
    metadata(`__source_${name}`) ?? (name === 'ts_ms' ? undefined : metadata(`__${name}`))
  const order = orderOf(ofSource, (name) => metadata(`__${name}`))
  const op = metadata('__op')
  if (op === 'm') return ignored
  if (op === 't') return { kind: 'truncate', order, schema }
  if (op !== undefined && !/^[crud]$/.test(op))
    throw new JsonProblem(`the operation \`${op.slice(0, 20)}\` is none of c, r, u, d, t, m`)
  const isDeleted = metadata('__deleted') === 'true' || op === 'd'
  const flat = { isMarked: members.has('__deleted') || members.has('__op') }
  return { kind: 'row', op: isDeleted ? 'd' : 'u', order, row: payload, schema, flat }
}

function noRow(after: Node | undefined, op: string): [string, string?] {
  if (after?.kind !== 'text') return [`\`after\` is missing in an event of operation ${op}`]
  return [
    '`after` is text, and no row: documents of MongoDB come so',
    'Unwrap the events with ExtractNewDocumentState, so that their fields become columns.',
  ]
}

function lookup(members: Members | undefined): Lookup {
  return (name) => textOf(members?.get(name))
}

/** Of text what it says, of numbers and booleans how they are written. */
function textOf(node: Node | undefined): string | undefined {
  if (node?.kind === 'text') return decoded(node.bytes, node.start, node.end)
  return node?.kind === 'other' ? node.bytes.toString('latin1', node.start, node.end) : undefined
}

function decoded(bytes: Buffer, start: number, end: number): string {
  const text = bytes.toString('utf8', start + 1, end - 1)
  return text.includes('\\') ? (JSON.parse(`"${text}"`) as string) : text
}
