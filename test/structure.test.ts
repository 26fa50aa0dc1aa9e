/**
 * The house's rules, held: who may import whom, and where heavy dependencies live.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'

const root = resolve(import.meta.dirname, '../src')

/** Left to right: a file imports from its own rank or from ranks further right. */
const ranks: string[][] = [
  ['cli', 'report'],
  [
    'index',
    'table',
    'load',
    'land',
    'landing',
    'shape',
    'mode-columns',
    'remembered',
    'receipt',
    'version',
    'from-table',
  ]
    // Guards, and the loads that they hold back.
    .concat(['guard', 'hold', 'held']),
  ['publish', 'maintain', 'read'],
  ['plan'],
  ['stage'],
  ['source', 'engine'],
  ['manifest'],
  ['partition', 'schema'],
  ['store'],
  ['settings', 'settings-shapes', 'runtime', 'errors'],
]

interface Import {
  from: string
  to: string
  typeOnly: boolean
}

const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
const imports = files.flatMap(importsOf)

describe('the house', () => {
  test('imports point down the road', () => {
    const wrong = imports.filter(({ from, to, typeOnly }) => {
      if (!to.startsWith('.')) return false
      const [mine, theirs] = [rankOf(from), rankOf(target(from, to))]
      // Settings name the shapes of all rooms, as types.
      return theirs < mine && !(typeOnly && from === 'settings.ts')
    })
    expect(wrong.map(({ from, to }) => `${from} imports ${to}`)).toEqual([])
  })

  test('every file has a rank', () => {
    expect(files.filter((file) => rankOf(file) < 0)).toEqual([])
  })

  test('only the S3 store and the AWS publishers know the AWS SDK', () => {
    expect(
      importersOf(/^@(aws-sdk|smithy)\//).filter((file) => !/^store\/s3[\w-]*\.ts$|^publish\/aws/.test(file)),
    ).toEqual([])
  })

  test('only the DuckDB engine knows DuckDB', () => {
    expect(importersOf(/^@duckdb\//).filter((file) => !/^engine\/duckdb(\.ts$|\/)/.test(file))).toEqual([])
  })

  test('the manifest needs no engine', () => {
    const wrong = imports.filter(({ from, to }) => from.startsWith('manifest/') && /engine|duckdb/.test(to))
    expect(wrong.filter(({ to }) => !to.includes('schema/'))).toEqual([])
  })

  test('plans, partitions and schemas do no I/O', () => {
    const io = /^node:(fs|net|http|https|child_process|stream|worker_threads)/
    const pure = imports.filter(({ from }) => /^(plan|partition|schema)\//.test(from) || from === 'manifest/change.ts')
    expect(
      pure.filter(({ to }) => io.test(to) || /\/store\/(?!keys)/.test(to)).map(({ from, to }) => `${from} ${to}`),
    ).toEqual([])
  })

  test('only manifest/commit.ts writes the log', () => {
    const callers = files.filter((file) => /\.putIfAbsent\(/.test(read(file)) && !file.startsWith('store/'))
    // A held load is claimed below `_staging/`.
    const known = ['manifest/commit.ts', 'manifest/checkpoint.ts', 'hold.ts']
    expect(callers.filter((file) => !known.includes(file))).toEqual([])
  })

  // The error's type and its exit codes are part of that API, without its weight.
  test('the command line uses the public API alone', () => {
    const wrong = imports.filter(({ from, to }) => /^(cli|report)\//.test(from) && to.startsWith('.'))
    const outside = wrong.filter(({ from, to }) => !/^(cli|report|index\.ts|errors\.ts)/.test(target(from, to)))
    expect(outside.map(({ from, to }) => `${from} imports ${to}`)).toEqual([])
  })

  test('ids, times and randomness come from the runtime', () => {
    const pattern = /\b(Date\.now|Math\.random|randomUUID)\b/
    expect(files.filter((file) => file !== 'runtime.ts' && pattern.test(withoutComments(read(file))))).toEqual([])
  })
})

function importsOf(file: string): Import[] {
  const text = withoutComments(read(file))
  const statements = text.matchAll(
    /\b(import|export)(\s+type)?\s[^'"`;]*?from\s+'([^']+)'|\bimport\(\s*'([^']+)'\s*\)|^import\s+'([^']+)'/gm,
  )
  return [...statements].map(([, , type, from, dynamic, bare]) => ({
    from: file,
    to: from ?? dynamic ?? bare ?? '',
    typeOnly: type !== undefined,
  }))
}

function target(from: string, to: string): string {
  return relative(root, join(root, dirname(from), to)).replace(/\.js$/, '.ts')
}

function rankOf(file: string): number {
  const room = file.split('/')[0]?.replace(/\.ts$/, '') ?? ''
  return ranks.findIndex((rank) => rank.includes(room))
}

function importersOf(pattern: RegExp): string[] {
  return imports.filter(({ to }) => pattern.test(to)).map(({ from }) => from)
}

function read(file: string): string {
  return readFileSync(join(root, file), 'utf8')
}

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '')
}
