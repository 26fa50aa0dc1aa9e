/**
 * `npm run bench -- <name>`: what stands under bench/ and what it imports, as plain JavaScript in a folder that git does
 * not see, and then `main.js` from there. Nothing is bundled, so every file finds what lies beside it.
 */
import { cp, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const out = join(root, 'node_modules', '.cache', 'lakewright-bench')
await rm(out, { recursive: true, force: true })
await build({
  absWorkingDir: root,
  entryPoints: ['bench/**/*.ts', 'src/**/*.ts', 'test/servers/*.ts'],
  outbase: root,
  outdir: out,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  logLevel: 'warning',
})
const besides = [
  'package.json',
  'bench/measure.py',
  'bench/peers',
  'test/servers/readers.requirements.txt',
  'test/servers/bench.requirements.txt',
]
for (const path of besides) await cp(join(root, path), join(out, path), { recursive: true })
await import(pathToFileURL(join(out, 'bench', 'main.js')).href)
