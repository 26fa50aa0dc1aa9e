/**
 * The package as a stranger gets it: packed, installed into an empty project, imported, type-checked and run.
 *
 *   npm run test:package
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const repository = fileURLToPath(new URL('../..', import.meta.url))
const project = mkdtempSync(join(tmpdir(), 'lakewright-package-'))
const run = (command, args, cwd = project) =>
  execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })

try {
  const [packed] = JSON.parse(
    run('npm', ['pack', '--json', '--pack-destination', project], repository).replace(/^[^[]*/, ''),
  )
  const unwanted = packed.files.filter(({ path }) => /^(test|bench|fixtures|src)\//.test(path))
  expect(unwanted.length === 0, `the package holds files that belong to the repository: ${unwanted[0]?.path}`)

  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'stranger', private: true, type: 'module' }))
  run('npm', ['install', '--no-audit', '--no-fund', join(project, packed.filename), 'typescript', '@types/node@20'])
  writeFileSync(
    join(project, 'load.ts'),
    `import { openTable, type Receipt } from 'lakewright'
     const table = await openTable('lake/orders', { partitionBy: ['dt'], key: ['id'] })
     const receipt: Receipt = await table.append([{ dt: '2026-11-20', id: 1, amount: 2.5 }])
     console.log(receipt.status, receipt.rows.written)
     // @ts-expect-error a mode that does not exist
     table.upsert
     await table.close()\n`,
  )
  run('npx', ['tsc', '--module', 'nodenext', '--target', 'es2022', '--strict', '--types', 'node', 'load.ts'])
  expect(run('node', ['load.js']).trim() === 'committed 1', 'the compiled program did not load a row')
  const shown = JSON.parse(run('npx', ['lakewright', 'show', 'lake/orders', '--json']))
  expect(shown.rows === 1 && shown.partitionBy[0] === 'dt', `npx lakewright show answered ${JSON.stringify(shown)}`)
  console.log(
    `package: ${packed.filename}, ${packed.files.length} files, ${Math.round(packed.size / 1024)} KiB: works in an empty project`,
  )
} finally {
  rmSync(project, { recursive: true, force: true })
}

function expect(holds, message) {
  if (!holds) throw new Error(message)
}
